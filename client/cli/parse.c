/* Reading the options. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "wire/option.h"
#include "wire/traceparent.h"

#define DAY_MS 86400000u

struct reading {
    struct cli_options *cli;
    const struct command *command;
    bool all;             /* is told by --full-help */
    int from_environment; /* so many options are still to come that are the environment's */
    bool given[OPT_END];  /* by key: it is on the command line */
    const char *fields[OPT_FIELDS_END - OPT_WIDTH]; /* their texts, until the command is known */
};

/* The command, which is known by now if it is one, and then its argument. */
static void add_word(const struct argp_state *state, struct cli_options *cli, const char *word)
{
    if (cli->command == NULL)
        cli->command = word;
    else if (cli->argument == NULL)
        cli->argument = word;
    else
        argp_error(state, "one argument at most: \"%s\" comes after \"%s\"", word, cli->argument);
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

static bool *flag_of(struct cli_options *cli, int key)
{
    switch (key) {
    case 'q':
        return &cli->quiet;
    case 'v':
        return &cli->verbose;
    case OPT_WAIT:
        return &cli->call.wait_for_ready;
    case OPT_SUMMARY:
        return &cli->json.summary;
    case OPT_NS:
        return &cli->json.ns;
    case OPT_DATA:
        return &cli->data;
    case OPT_WATCH:
        return &cli->watch;
    default:
        return NULL;
    }
}

/* A whole number with its unit, least to a day. */
static uint64_t time_ms(const struct argp_state *state, int key, const char *text, uint64_t least)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (isdigit((unsigned char)text[0]) && errno == 0 && strcmp(end, units[i].unit) == 0 &&
            value <= DAY_MS / units[i].ms && value * units[i].ms >= least)
            return value * units[i].ms;
    argp_error(state, "--%s is \"%s\"; it must be a time from %" PRIu64 "ms to 24h, as in 500ms, 2s or 1m",
               option_name(key), text, least);
    return 0;
}

static void set_traceparent(const struct argp_state *state, struct cli_options *cli, const char *text)
{
    if (!wire_traceparent_is_valid(text))
        argp_error(state,
                   "--traceparent is \"%s\"; it must be 00-TRACE_ID-PARENT_ID-FLAGS: 32, 16 and 2 "
                   "digits of lower-case hex, the ids not all zero",
                   text);
    cli->call.traceparent = text;
}

/* The options of compare and bench; false: it is none of them. */
static bool read_measure(const struct argp_state *state, struct cli_options *cli, int key, const char *arg)
{
    switch (key) {
    case OPT_RUNS:
        cli->runs = option_number(state, "runs", arg, 1, 10000);
        return true;
    case OPT_CLIENTS:
        cli->clients = option_number(state, "clients", arg, 1, 10000);
        return true;
    case OPT_RATE:
        cli->rate = option_number(state, "rate", arg, 1, 1000000);
        return true;
    case OPT_DURATION:
        cli->duration_ms = time_ms(state, key, arg, 1);
        return true;
    case OPT_WARM_UP:
        cli->warm_up_ms = time_ms(state, key, arg, 0);
        return true;
    default:
        return false;
    }
}

static void read_option(const struct argp_state *state, struct reading *reading, int key, const char *arg)
{
    struct cli_options *cli = reading->cli;
    const char **text = text_of(cli, key);
    bool *flag = flag_of(cli, key);

    if (text != NULL)
        *text = arg;
    else if (flag != NULL)
        *flag = true;
    else if (key == OPT_TIMEOUT)
        cli->call.timeout_ms = time_ms(state, key, arg, 1);
    else if (key == OPT_TIMEOUT_MS)
        cli->call.timeout_ms = option_number(state, "timeout-ms", arg, 1, DAY_MS);
    else if (key == OPT_MAX_ATTEMPTS)
        cli->client.max_attempts = option_number(state, "max-attempts", arg, 1, 100);
    else if (key == OPT_TRACEPARENT)
        set_traceparent(state, cli, arg);
    else if (!read_measure(state, cli, key, arg))
        reading->fields[key - OPT_WIDTH] = arg;
}

/* The value of an option whose key is a field's; compare takes lists of two, which it reads itself. */
static void set_field(const struct argp_state *state, const struct reading *reading, int key,
                      const char *text)
{
    struct cli_options *cli = reading->cli;
    bool compares = reading->command->set == FOR_COMPARE;
    struct tilery_error error;
    char room[512];

    if (compares && key == OPT_SCHEDULE)
        cli->schedules = text;
    else if (compares && key == OPT_NUM_THREADS)
        cli->threads = text;
    else if (tilery_compute_request_set(&cli->request, option_field(key), text, &error) != TILERY_OK)
        argp_error(state, "%s", option_message(cli_argp_options, "", error.message, room, sizeof room));
}

static void set_fields(const struct argp_state *state, const struct reading *reading)
{
    for (int key = OPT_WIDTH; key < OPT_FIELDS_END; key++) {
        const char *text = reading->fields[key - OPT_WIDTH];

        if (text != NULL && (option_commands(key) & reading->command->set) != 0)
            set_field(state, reading, key, text);
    }
    if (reading->cli->request.kernel != NULL)
        reading->cli->kernels = reading->cli->request.kernel;
    reading->cli->time_limited = reading->fields[OPT_TIME_LIMIT - OPT_WIDTH] != NULL;
}

static void check_command(const struct argp_state *state, struct reading *reading)
{
    const struct cli_options *cli = reading->cli;
    const struct command *command = reading->command;

    if (command->argument == NONE && cli->argument != NULL)
        argp_error(state, "%s takes no argument; \"%s\" is one", command->name, cli->argument);
    if (command->argument == MUST && cli->argument == NULL)
        argp_error(state, "%s takes a request_id", command->name);
    for (int key = 0; key < OPT_END; key++)
        if (reading->given[key] && (option_commands(key) & command->set) == 0)
            argp_error(state, "--%s is not an option of %s", option_name(key), command->name);
}

/* A bridge's health is asked with a plain GET. */
static void check_bridge(const struct argp_state *state, const struct reading *reading)
{
    static const int keys[] = {'v',          OPT_REQUEST_ID, OPT_TRACEPARENT, OPT_TLS_CA,
                               OPT_TLS_CERT, OPT_TLS_KEY,    OPT_TLS_NAME,    OPT_TOKEN_FILE};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (reading->given[keys[i]])
            argp_error(state, "--%s is for servers, and %s is a bridge", option_name(keys[i]),
                       reading->cli->client.server);
}

/* The options of which another one decides whether they do anything. */
static void check_together(const struct argp_state *state, const struct reading *reading)
{
    const struct cli_options *cli = reading->cli;
    unsigned set = reading->command->set;

    if (reading->given[OPT_PALETTE] && set == FOR_COMPUTE && !cli->watch)
        argp_error(state, "--palette is for what --watch draws, which is not asked for");
    if (reading->given[OPT_PALETTE] && set == FOR_RENDER &&
        (cli->format == NULL || strcmp(cli->format, "raw") == 0 || strcmp(cli->format, "pgm") == 0))
        argp_error(state, "--palette is for --format png; %s has counts, and no colours",
                   cli->format != NULL ? cli->format : "raw, the default,");
    if (cli_is_http(cli->client.server))
        check_bridge(state, reading);
    if (cli->watch && cli->verbose)
        argp_error(state, "--verbose would write into what --watch draws");
    if (cli->quiet && cli->verbose)
        argp_error(state, "--quiet and --verbose are both given");
}

/* "compute, render, ... or describe" */
static void list_commands(char *out, size_t size)
{
    size_t len = 0;

    for (const struct command *command = cli_commands; command->name != NULL && len < size; command++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", command->name,
                                command[1].name == NULL   ? ""
                                : command[2].name == NULL ? " or "
                                                          : ", ");
}

static void refuse_command(const struct argp_state *state, const char *name)
{
    const struct command *nearest = command_nearest(name);

    if (nearest != NULL)
        argp_error(state, "there is no command \"%s\"; did you mean \"%s\"?", name, nearest->name);
    else
        argp_error(state, "there is no command \"%s\"", name);
}

static void finish(const struct argp_state *state, struct reading *reading)
{
    const struct cli_options *cli = reading->cli;
    char names[256];

    list_commands(names, sizeof names);
    if (cli->command == NULL)
        argp_error(state, "name a command: %s", names);
    if (reading->command == NULL)
        refuse_command(state, cli->command);
    check_command(state, reading);
    check_together(state, reading);
    set_fields(state, reading);
}

static void note(struct reading *reading, int key)
{
    if (reading->from_environment > 0)
        reading->from_environment--;
    else
        reading->given[key] = true;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct reading *reading = state->input;

    if (key == ARGP_KEY_ARG) {
        add_word(state, reading->cli, arg);
    } else if (key == ARGP_KEY_END) {
        finish(state, reading);
    } else if (key > 0 && key < OPT_END) {
        note(reading, key);
        read_option(state, reading, key, arg);
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- The command comes first, as its --help is its own ---- */

struct looking {
    const char *word;
    bool all;
};

static error_t look(int key, char *arg, struct argp_state *state)
{
    struct looking *looking = state->input;

    if (key == ARGP_KEY_ARG && looking->word == NULL)
        looking->word = arg;
    looking->all |= key == OPT_FULL_HELP;
    return 0;
}

/* The command that is named ahead of --help, and of whatever is no option. */
static struct looking look_for_command(int argc, char **argv)
{
    const struct argp argp = {.options = cli_argp_options, .parser = look};
    struct looking looking = {.all = false};

    (void)argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_SILENT, NULL, &looking);
    return looking;
}

static char *filter(int key, const char *text, void *input)
{
    const struct reading *reading = input;

    return help_text(reading != NULL ? reading->command : NULL, reading != NULL && reading->all, key, text);
}

/* Ends the process. */
static void tell_of_all(const struct argp *argp, char *program)
{
    char help[] = "--help", *argv[] = {program, help, NULL};
    struct reading nothing = {.all = true};
    struct argp all = *argp;

    all.options = cli_argp_options;
    all.args_doc = "COMMAND [ARGUMENT]";
    option_parse(&all, 2, argv, &nothing);
}

const struct command *options_parse(int argc, char **argv, int from_environment, struct cli_options *cli)
{
    struct looking looking = look_for_command(argc, argv);
    struct reading reading = {.cli = cli,
                              .from_environment = from_environment,
                              .command = looking.word != NULL ? command_find(looking.word) : NULL};
    struct argp_option *options = help_options(reading.command);
    char *doc = help_doc(looking.all ? NULL : reading.command, looking.all);
    struct argp argp = {.options = options != NULL ? options : cli_argp_options,
                        .parser = parse,
                        .args_doc = reading.command != NULL ? reading.command->usage : "COMMAND [ARGUMENT]",
                        .doc = doc,
                        .help_filter = filter};

    argp_err_exit_status = CLI_USAGE_EXIT;
    tilery_compute_request_init(&cli->request);
    if (looking.all)
        tell_of_all(&argp, argv[0]);
    option_parse(&argp, argc, argv, &reading);
    free(options);
    free(doc);
    return reading.command;
}
