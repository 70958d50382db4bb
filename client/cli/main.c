/* tilery: the command line of a Tilery server. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "wire/environment.h"
#include "wire/option.h"
#include "wire/traceparent.h"
#include "wire/warn.h"

#define DEFAULT_SERVER "tcp://127.0.0.1:5570"

__attribute__((visibility("default"))) const char *argp_program_version = "tilery " TILERY_VERSION;

enum {
    OPT_FIELD = 256,
    OPT_KERNEL = 300,
    OPT_TIMEOUT,
    OPT_REQUEST_ID,
    OPT_TRACEPARENT,
    OPT_FORMAT,
    OPT_PALETTE,
    OPT_SUMMARY,
    OPT_NS,
    OPT_TLS_CA,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TLS_NAME,
    OPT_TOKEN_FILE
};

/* The options that are fields of the request: --tile-w sets tile_w. */
static const char *const fields[] = {"width",      "height",        "tile_w",      "tile_h",
                                     "max_iter",   "time_limit_ms", "num_threads", "first_task",
                                     "task_count", "mode",          "schedule",    "region"};

static const struct argp_option options[] = {
    {"server", 's', "URL[,URL...]", 0, "The servers' addresses (default " DEFAULT_SERVER ")", 0},
    {"timeout-ms", OPT_TIMEOUT, "MS", 0, "Give up after this time (default: the server's maximum)", 0},
    {"request-id", OPT_REQUEST_ID, "ID", 0, "Name the request, for logs and cancelling (default: random)", 0},
    {"traceparent", OPT_TRACEPARENT, "TEXT", 0, "A W3C trace context for the server's log", 0},
    {"tls-ca", OPT_TLS_CA, "FILE", 0, "For tls+tcp://: the CA that verifies the server, PEM", 0},
    {"tls-cert", OPT_TLS_CERT, "FILE", 0, "The client's own certificate, PEM", 0},
    {"tls-key", OPT_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"tls-server-name", OPT_TLS_NAME, "NAME", 0,
     "The DNS name in the server's certificate (default: the URL's host)", 0},
    {"token-file", OPT_TOKEN_FILE, "FILE", 0, "The token that the server wants is the file's first line", 0},
    {0, 0, 0, 0, "compute and render:", 1},
    {"width", OPT_FIELD, "PIXELS", 0, "1 to 65536 (default 800)", 0},
    {"height", OPT_FIELD + 1, "PIXELS", 0, "1 to 65536 (default 600)", 0},
    {"tile-w", OPT_FIELD + 2, "PIXELS", 0, "1 to 65536 (default 64)", 0},
    {"tile-h", OPT_FIELD + 3, "PIXELS", 0, "1 to 65536 (default 64)", 0},
    {"max-iter", OPT_FIELD + 4, "N", 0, "1 to 65535 (default 256)", 0},
    {"time-limit-ms", OPT_FIELD + 5, "MS", 0,
     "0 to 600000, looked at before each tile (default 2000; render: none)", 0},
    {"num-threads", OPT_FIELD + 6, "N", 0, "1 to 256 (default 4)", 0},
    {"first-task", OPT_FIELD + 7, "ID", 0, "The first of a range of tasks (default 0)", 0},
    {"task-count", OPT_FIELD + 8, "N", 0, "How many tasks (default: to the last)", 0},
    {"mode", OPT_FIELD + 9, "MODE", 0, "concurrent (default) or sequential", 0},
    {"schedule", OPT_FIELD + 10, "NAME", 0, "static (default), cyclic, dynamic, guided or stealing", 0},
    {"region", OPT_FIELD + 11, "RE,IM,W,H", 0,
     "Part of the plane: re_min,im_min,re_span,im_span (default -2.5,-1,3.5,2)", 0},
    {"kernel", OPT_KERNEL, "NAME", 0, "auto (default) or one that `tilery info` lists", 0},
    {"format", OPT_FORMAT, "FORMAT", 0,
     "compute: json (default, as documented), ndjson, csv, table, trace (for Perfetto); render: png, pgm, "
     "raw "
     "(default: escape counts, row by row, little-endian uint16)",
     0},
    {"palette", OPT_PALETTE, "NAME", 0, "Of a png: viridis (default), magma, grey, or thread", 0},
    {"output", 'o', "FILE", 0, "Where to write (default: -, stdout); a file appears when it is whole", 0},
    {0, 0, 0, 0, "compute --format json and ndjson:", 2},
    {"summary", OPT_SUMMARY, NULL, 0, "What the run came to, after the documented keys", 0},
    {"ns", OPT_NS, NULL, 0, "Times in nanoseconds beside the milliseconds", 0},
    {0},
};

static const char *const no_lists[] = {NULL};

static void set_field(const struct argp_state *state, struct cli_options *cli, const char *field,
                      const char *value)
{
    struct tilery_error error;

    if (tilery_compute_request_set(&cli->request, field, value, &error) != TILERY_OK)
        argp_error(state, "%s", error.message);
}

/* The command, and then its argument. */
static void add_word(const struct argp_state *state, struct cli_options *cli, const char *word)
{
    if (cli->command == NULL)
        cli->command = word;
    else if (cli->argument == NULL)
        cli->argument = word;
    else
        argp_error(state, "one command at a time: \"%s\" comes after \"%s\"", word, cli->argument);
}

/* Where an option's text is kept as it is; NULL for any other key. */
static const char **text_of(struct cli_options *cli, int key)
{
    switch (key) {
    case 's':
        return &cli->client.server;
    case 'o':
        return &cli->output;
    case OPT_TLS_CA:
        return &cli->client.tls_ca;
    case OPT_TLS_CERT:
        return &cli->client.tls_cert;
    case OPT_TLS_KEY:
        return &cli->client.tls_key;
    case OPT_TLS_NAME:
        return &cli->client.tls_server_name;
    case OPT_TOKEN_FILE:
        return &cli->client.token_file;
    case OPT_REQUEST_ID:
        return &cli->call.request_id;
    case OPT_FORMAT:
        return &cli->format;
    case OPT_PALETTE:
        return &cli->palette;
    case OPT_KERNEL:
        return &cli->request.kernel;
    default:
        return NULL;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct cli_options *cli = state->input;
    const char **text = text_of(cli, key);

    if (text != NULL) {
        *text = arg;
        return 0;
    }
    if (key >= OPT_FIELD && key < OPT_FIELD + (int)(sizeof fields / sizeof *fields)) {
        set_field(state, cli, fields[key - OPT_FIELD], arg);
        cli->time_limited |= strcmp(fields[key - OPT_FIELD], "time_limit_ms") == 0;
        return 0;
    }
    switch (key) {
    case OPT_TIMEOUT:
        cli->call.timeout_ms = option_number(state, "timeout-ms", arg, 1, 86400000);
        return 0;
    case OPT_TRACEPARENT:
        if (!wire_traceparent_is_valid(arg))
            argp_error(state,
                       "--traceparent is \"%s\"; it must be 00-TRACE_ID-PARENT_ID-FLAGS: 32, 16 and 2 "
                       "digits of lower-case hex, the ids not all zero",
                       arg);
        cli->call.traceparent = arg;
        return 0;
    case OPT_SUMMARY:
        cli->json.summary = true;
        return 0;
    case OPT_NS:
        cli->json.ns = true;
        return 0;
    case ARGP_KEY_ARG:
        add_word(state, cli, arg);
        return 0;
    case ARGP_KEY_END:
        if (cli->command == NULL)
            argp_error(state, "name a command: compute, render, cancel, health, info, stats or describe");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

enum need { NONE, MAY, MUST };

struct command {
    const char *name;
    int (*run)(tilery_client *client, const struct cli_options *options);
    enum need argument;
};

static const struct command *find_command(const char *name)
{
    static const struct command commands[] = {{"compute", cli_compute, NONE},  {"render", cli_render, NONE},
                                              {"cancel", cli_cancel, MUST},    {"health", cli_health, MAY},
                                              {"info", cli_info, NONE},        {"stats", cli_stats, NONE},
                                              {"describe", cli_describe, NONE}};

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* Opens the client; the exit status where that fails. */
static int open_client(const struct cli_options *cli, tilery_client **out)
{
    struct tilery_error error;
    enum tilery_status status;

    warn_of_file("tilery", cli->client.token_file);
    warn_of_file("tilery", cli->client.tls_key);
    if (cli->client.token_file != NULL)
        warn_of_token("tilery", cli->client.server);
    status = tilery_client_open(&cli->client, out, &error);
    if (status == TILERY_OK)
        return 0;
    (void)cli_fail(cli, &error);
    return status == TILERY_INVALID_ARGUMENT ? CLI_USAGE_EXIT : tilery_status_exit(status);
}

static int run_command(const struct cli_options *cli)
{
    const struct command *command = find_command(cli->command);
    tilery_client *client;
    int status;

    if (command == NULL) {
        fprintf(stderr, "tilery: there is no command \"%s\"; see tilery --help\n", cli->command);
        return CLI_USAGE_EXIT;
    }
    if (command->argument == NONE ? cli->argument != NULL
                                  : command->argument == MUST && cli->argument == NULL) {
        fprintf(stderr, "tilery: %s takes %s; see tilery --help\n", command->name,
                command->argument == NONE ? "no argument" : "a request_id");
        return CLI_USAGE_EXIT;
    }
    status = open_client(cli, &client);
    if (status != 0)
        return status;
    status = command->run(client, cli);
    tilery_client_close(client);
    return status;
}

static const char doc[] =
    "The command line of a Tilery server.\v"
    "Commands: compute runs a computation and prints the documented JSON; render "
    "writes the image; cancel ID ends the run of that request_id; health [SERVICE] says "
    "SERVING; info says what the server can do, stats what it has done and does; describe "
    "writes its schema, a FileDescriptorSet.\n\n"
    "The exit status is the number of the gRPC code, 64 for a usage error. Every "
    "option can also be given in the "
    "environment: --server as TILERY_SERVER.";

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse, "COMMAND [ARGUMENT]", doc, NULL, NULL, NULL};
    struct cli_options cli = {.client.server = DEFAULT_SERVER, .output = "-"};
    char **with_environment = environment_argv("TILERY", options, no_lists, &argc, argv);
    int status;

    argp_err_exit_status = CLI_USAGE_EXIT;
    if (with_environment == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    tilery_compute_request_init(&cli.request);
    argp_parse(&argp, argc, with_environment, 0, NULL, &cli);
    status = run_command(&cli);
    environment_free(with_environment);
    return status;
}
