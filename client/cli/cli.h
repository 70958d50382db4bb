#ifndef TILERY_CLI_CLI_H
#define TILERY_CLI_CLI_H

#include "tilery/client.h"

/* What the command line asked for. */
struct cli_options {
    const char *server;
    const char *command;
    struct tilery_compute_request request;
    struct tilery_call_options call;
};

/* The commands. Each prints its answer on stdout and returns the program's exit status, an error said on
 * stderr. */
int cli_compute(tilery_client *client, const struct cli_options *options);
int cli_health(tilery_client *client, const struct cli_options *options);
int cli_info(tilery_client *client, const struct cli_options *options);

/* Says the error on stderr, with the remedy where there is one, and returns its exit status. */
int cli_fail(const struct cli_options *options, const struct tilery_error *error);

#endif
