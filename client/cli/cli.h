#ifndef TILERY_CLI_CLI_H
#define TILERY_CLI_CLI_H

#include "tilery/client.h"

#define CLI_USAGE_EXIT 64

/* What the command line asked for. */
struct cli_options {
    const char *server;
    const char *command;
    const char *output; /* of render; "-" is stdout */
    bool time_limited;  /* --time-limit-ms was given */
    struct tilery_compute_request request;
    struct tilery_call_options call;
};

/* The commands. Each prints its answer on stdout and returns the program's exit status, an error said on
 * stderr. */
int cli_compute(tilery_client *client, const struct cli_options *options);
int cli_render(tilery_client *client, const struct cli_options *options);
int cli_health(tilery_client *client, const struct cli_options *options);
int cli_info(tilery_client *client, const struct cli_options *options);

/* Says the error on stderr, with the remedy where there is one, and returns its exit status. */
int cli_fail(const struct cli_options *options, const struct tilery_error *error);

/* A full disk or a closed pipe is a failure, not a short answer: says so, by errno, and returns the exit
 * status. */
int cli_output_failed(void);
int cli_flush_output(void);

#endif
