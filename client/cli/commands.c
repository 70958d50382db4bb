#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "wire/address.h"
#include "wire/option.h"

/* Whether it is not of time_limit_ms, which has no call fail. */
static bool is_timeout(const struct tilery_error *error)
{
    return error->status == TILERY_DEADLINE_EXCEEDED &&
           strncmp(error->message, "time_limit_ms", strlen("time_limit_ms")) != 0;
}

/* Either side's may have been over. */
static void say_timeout(const struct cli_options *options)
{
    if (options->call.timeout_ms != 0)
        fprintf(stderr, "tilery: the timeout is %" PRIu64 " ms; --timeout TIME sets another",
                options->call.timeout_ms);
    else
        fputs("tilery: --timeout TIME sets a timeout", stderr);
    fputs(", up to the server's own, the max_timeout_ms of `tilery info`\n", stderr);
}

/* As libtilery begins to say why there is no connection; other failures a server tells of itself. */
static bool is_without_server(const struct tilery_error *error)
{
    return error->status == TILERY_UNAVAILABLE && strncmp(error->message, "no ", strlen("no ")) == 0;
}

/* Something takes connections there and says nothing, or nothing there says that it does not. */
static bool is_silent(const struct tilery_error *error)
{
    return strstr(error->message, "not connected in time") != NULL;
}

static void say_remedy(const struct cli_options *options, const struct tilery_error *error)
{
    char first[256];

    (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(options->client.server, ","),
                   options->client.server);
    if (is_timeout(error))
        say_timeout(options);
    else if (!is_without_server(error))
        return;
    else if (wire_address_is_tls(first))
        fputs("tilery: does a server listen there, and do the certificates fit? See --tls-ca, --tls-cert and "
              "--tls-server-name\n",
              stderr);
    else if (!wire_address_is_local(first) || is_silent(error))
        fputs("tilery: does a Tilery server listen there? --server URL names another\n", stderr);
    else
        fprintf(stderr, "tilery: start one with `tileryd --listen %s`, or name another with --server URL\n",
                first);
}

int cli_fail(const struct cli_options *options, const struct tilery_error *error)
{
    char room[512];
    const char *message = error->message;

    if (*options->ended != 0)
        return 128 + *options->ended;
    if (options->argument == NULL) /* which may be the request_id, and that no option */
        message = option_message(cli_argp_options, "", message, room, sizeof room);
    fprintf(stderr, "tilery: %s: %s\n", tilery_status_name(error->status), message);
    say_remedy(options, error);
    return tilery_status_exit(error->status);
}

int cli_refuse(const char *option, const char *value, const char *range)
{
    fprintf(stderr, "tilery: %s is \"%s\"; it must be %s\n", option, value, range);
    return CLI_USAGE_EXIT;
}

int cli_refuse_message(const char *message)
{
    char room[512];

    fprintf(stderr, "tilery: %s\n", option_message(cli_argp_options, "", message, room, sizeof room));
    return CLI_USAGE_EXIT;
}

int cli_flush_output(const struct cli_options *options)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : cli_output_failed(options);
}

int cli_health(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;

    if (tilery_health_service(client, options->argument != NULL ? options->argument : "", &options->call,
                              &error) != TILERY_OK)
        return cli_fail(options, &error);
    puts("SERVING");
    return cli_flush_output(options);
}

static void print_names(const char *label, const char *const *names, size_t count)
{
    printf("%-18s", label);
    for (size_t i = 0; i < count; i++)
        printf(i == 0 ? "%s" : " %s", names[i]);
    putchar('\n');
}

int cli_info(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;
    struct tilery_info *info;

    if (tilery_info(client, &options->call, &info, &error) != TILERY_OK)
        return cli_fail(options, &error);
    printf("%-18s%s\n", "version", info->version);
    print_names("kernels", info->kernels, info->kernel_count);
    print_names("schedules", info->schedules, info->schedule_count);
    printf("%-18s%" PRIu32 "\n", "cpus", info->cpus);
    printf("%-18s%.3f s\n", "uptime", (double)info->uptime_ns / 1e9);
    printf("%-18s%" PRIu64 "\n", "max_width", info->max_width);
    printf("%-18s%" PRIu64 "\n", "max_height", info->max_height);
    printf("%-18s%" PRIu64 "\n", "max_tiles", info->max_tiles);
    printf("%-18s%" PRIu64 "\n", "max_threads", info->max_threads);
    printf("%-18s%" PRIu64 "\n", "max_time_limit_ms", info->max_time_limit_ms);
    printf("%-18s%" PRIu64 "\n", "max_timeout_ms", info->max_timeout_ms);
    printf("%-18s%" PRIu64 "\n", "max_tile_bytes", info->max_tile_bytes);
    printf("%-18s%" PRIu64 "\n", "max_request_bytes", info->max_request_bytes);
    printf("%-18s%" PRIu64 "\n", "max_reply_bytes", info->max_reply_bytes);
    tilery_info_free(info);
    return cli_flush_output(options);
}

int cli_cancel(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;
    bool found;

    if (tilery_cancel(client, options->argument, &options->call, &found, &error) != TILERY_OK)
        return cli_fail(options, &error);
    if (!found) {
        error.status = TILERY_NOT_FOUND;
        (void)snprintf(error.message, sizeof error.message,
                       "no Compute and no stream has the request_id \"%s\" now", options->argument);
        return cli_fail(options, &error);
    }
    puts("cancelled");
    return cli_flush_output(options);
}
