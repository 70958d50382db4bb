/* describe: the schema, for a person or for protoc. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "schema.h"

/* Finds out whether text is wanted: 0 or the exit status. */
static int check_format(const struct cli_options *options, bool *text)
{
    bool is_binary = options->format != NULL && strcmp(options->format, "binary") == 0;

    *text = options->format != NULL ? !is_binary : options->argument != NULL || cli_is_for_terminal(options);
    if (*text && options->format != NULL && strcmp(options->format, "proto") != 0)
        return cli_refuse("--format", options->format, "proto or binary");
    if (is_binary && options->argument != NULL)
        return cli_refuse("--format", options->format, "proto with a NAME");
    return is_binary && cli_refuse_terminal(options, "a binary schema") ? CLI_USAGE_EXIT : 0;
}

static int write_text(const struct cli_options *options, const unsigned char *schema, size_t size, FILE *file)
{
    struct tilery_error error = {.status = TILERY_INTERNAL,
                                 .message = "the server's schema is no FileDescriptorSet that can be read"};
    enum schema_status status = schema_write(schema, size, options->argument, file);

    if (status == SCHEMA_OK)
        return 0;
    if (status == SCHEMA_NO_SUCH_NAME) {
        error.status = TILERY_NOT_FOUND;
        (void)snprintf(error.message, sizeof error.message,
                       "the schema has no file, message, enum, service or method \"%s\"", options->argument);
    } else if (status == SCHEMA_NO_MEMORY) {
        error =
            (struct tilery_error){.status = TILERY_RESOURCE_EXHAUSTED, .message = "no memory for the schema"};
    }
    return cli_fail(options, &error);
}

int cli_describe(tilery_client *client, const struct cli_options *options)
{
    struct cli_output output;
    struct tilery_error error;
    unsigned char *schema;
    bool text = false;
    size_t size;
    int status = check_format(options, &text);

    if (status != 0 || (status = cli_output_open(&output, options)) != 0)
        return status;
    if (tilery_describe(client, &options->call, &schema, &size, &error) != TILERY_OK)
        return cli_output_close(&output, cli_fail(options, &error));
    if (text)
        status = write_text(options, schema, size, output.file);
    else
        (void)!fwrite(schema, 1, size, output.file); /* a failure is seen when it is closed */
    free(schema);
    return cli_output_close(&output, status);
}
