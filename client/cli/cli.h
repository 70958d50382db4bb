#ifndef TILERY_CLI_CLI_H
#define TILERY_CLI_CLI_H

#include <stdatomic.h>
#include <stdio.h>

#include "format.h"
#include "tilery/client.h"

#define CLI_USAGE_EXIT 64

/* What main found out about the terminal. */
struct cli_terminal {
    bool no_color;         /* https://no-color.org */
    const char *term;      /* TERM and COLORTERM; "" where they are not set */
    const char *colorterm; /* "truecolor": 24 bits */
    bool utf8;             /* it shows more than ASCII */
};

/* What the command line asked for. */
struct cli_options {
    struct tilery_client_options client;
    const char *command;
    const char *argument; /* of the command; NULL: none */
    const char *output;   /* "-" is stdout */
    const char *format;   /* NULL: the command's own */
    const char *palette;  /* the same */
    struct format_options json;
    bool quiet, verbose;
    bool data, watch;  /* compute's */
    bool time_limited; /* --time-limit-ms was given */
    struct tilery_compute_request request;
    struct tilery_call_options call;
    /* compare's lists, commas between */
    const char *schedules, *kernels, *threads;
    unsigned runs;
    /* bench's */
    unsigned clients, rate; /* 0: not given */
    uint64_t duration_ms, warm_up_ms;
    struct cli_terminal terminal;
    /* For a command that works for long, or draws: main's handlers tell of signals here, a byte each, and of
     * the one that is to end the program there, as long as it is not 0. Else -1, and always 0. */
    int signals;
    const atomic_int *ended;
};

/* The commands. Each prints its answer on stdout and returns the program's exit status, an error said on
 * stderr. */
int cli_compute(tilery_client *client, const struct cli_options *options);
int cli_render(tilery_client *client, const struct cli_options *options);
int cli_compare(tilery_client *client, const struct cli_options *options);
int cli_bench(tilery_client *client, const struct cli_options *options);
int cli_health(tilery_client *client, const struct cli_options *options);
int cli_info(tilery_client *client, const struct cli_options *options);
int cli_stats(tilery_client *client, const struct cli_options *options);
int cli_describe(tilery_client *client, const struct cli_options *options);
int cli_cancel(tilery_client *client, const struct cli_options *options);

/* Whether the server is a bridge, of which only the health can be asked; then that without a client. */
bool cli_is_http(const char *server);
int cli_health_http(const struct cli_options *options);

/* Says the error on stderr, with the remedy where there is one, and returns its exit status. After a signal
 * that ends the program nothing is an error any more: the status is the signal's. */
int cli_fail(const struct cli_options *options, const struct tilery_error *error);

/* Says what a wrong option is and what it may be, and returns CLI_USAGE_EXIT. */
int cli_refuse(const char *option, const char *value, const char *range);

/* The same for a message of libtilery's, which begins with the field that an option sets. */
int cli_refuse_message(const char *message);

/* Where an answer goes: stdout, or a file that appears only when it is whole. */
struct cli_output {
    FILE *file;
    const struct cli_options *options;
    char *path, *beside; /* of a file that is to be whole; a name for the time until it is, or NULL */
    bool nameless;       /* until then */
};

/* Both return 0 or the exit status, said on stderr: a full disk is a failure, not a short answer. status: the
 * exit status so far; a file that is not whole is dropped. */
int cli_output_open(struct cli_output *output, const struct cli_options *options);
int cli_output_close(struct cli_output *output, int status);

/* Whether an answer goes to a terminal. */
bool cli_is_for_terminal(const struct cli_options *options);

/* Where it would go to a terminal, says that "an image" is not for one. */
bool cli_refuse_terminal(const struct cli_options *options, const char *what);

/* Says, by errno, that it cannot be written, and returns the exit status. Nobody wants to hear of a pipe
 * whose reader has left. */
int cli_output_failed(const struct cli_options *options);
int cli_flush_output(const struct cli_options *options);

#endif
