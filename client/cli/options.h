#ifndef TILERY_CLI_OPTIONS_H
#define TILERY_CLI_OPTIONS_H

#include <argp.h>

#include "cli.h"

#define DEFAULT_SERVER "tcp://127.0.0.1:5570"

enum need { NONE, MAY, MUST };

/* Sets of commands: those that an option is for. */
enum {
    FOR_COMPUTE = 1 << 0,
    FOR_RENDER = 1 << 1,
    FOR_COMPARE = 1 << 2,
    FOR_BENCH = 1 << 3,
    FOR_DESCRIBE = 1 << 4,
    FOR_OTHERS = 1 << 5,
    FOR_WORK = FOR_COMPUTE | FOR_RENDER | FOR_COMPARE | FOR_BENCH,
    FOR_ALL = (1 << 6) - 1
};

struct command {
    const char *name;
    int (*run)(tilery_client *client, const struct cli_options *options);
    unsigned set; /* its own, of one element */
    enum need argument;
    const char *usage, *summary;
    const char *more; /* for its --help; NULL: the summary is enough */
};

/* Ends with one without a name. */
extern const struct command cli_commands[];

/* NULL: there is none of that name. */
const struct command *command_find(const char *name);

enum {
    OPT_WIDTH = 256, /* the first of those that are fields of the request */
    OPT_HEIGHT,
    OPT_TILE_W,
    OPT_TILE_H,
    OPT_MAX_ITER,
    OPT_TIME_LIMIT,
    OPT_MODE,
    OPT_REGION,
    OPT_FIRST_TASK,
    OPT_TASK_COUNT,
    OPT_SCHEDULE,
    OPT_NUM_THREADS,
    OPT_FIELDS_END,
    OPT_KERNEL = OPT_FIELDS_END,
    OPT_TIMEOUT,
    OPT_TIMEOUT_MS,
    OPT_WAIT,
    OPT_MAX_ATTEMPTS,
    OPT_REQUEST_ID,
    OPT_TRACEPARENT,
    OPT_FORMAT,
    OPT_PALETTE,
    OPT_SUMMARY,
    OPT_NS,
    OPT_DATA,
    OPT_WATCH,
    OPT_RUNS,
    OPT_CLIENTS,
    OPT_DURATION,
    OPT_RATE,
    OPT_WARM_UP,
    OPT_TLS_CA,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TLS_NAME,
    OPT_TOKEN_FILE,
    OPT_FULL_HELP,
    OPT_END
};

extern const struct argp_option cli_argp_options[];

/* The request's field that an option of a key from OPT_WIDTH to OPT_FIELDS_END - 1 sets. */
const char *option_field(int key);

/* The commands that use the option. */
unsigned option_commands(int key);

/* What an option's text, or the program's own, is to a command, in memory of its own; NULL stands for none,
 * of which all is told or what all have in common. As argp_help_filter: the same text where nothing changes.
 */
char *help_text(const struct command *command, bool all, int key, const char *text);

/* The options that a command's --help tells of, NULL for those of every command, as a table that ends with
 * free; the others are there and hidden. NULL: no memory. */
struct argp_option *help_options(const struct command *command);

/* What --help begins with, and ends with behind \v, in memory of its own; where all is told, NULL and true.
 * NULL: no memory. */
char *help_doc(const struct command *command, bool all);

/* The command that may have been meant; NULL: none comes near. */
const struct command *command_nearest(const char *name);

/* Its name, without the dashes. */
const char *option_name(int key);

/*
 * Reads argv, of which the first from_environment options stand for the environment's: these are passed over
 * where the command does not use them; on the command line such an option is a usage error. Ends the process
 * at a usage error, --help and --version.
 */
const struct command *options_parse(int argc, char **argv, int from_environment, struct cli_options *cli);

#endif
