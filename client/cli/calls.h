#ifndef TILERY_CLI_CALLS_H
#define TILERY_CLI_CALLS_H

#include "cli.h"

/*
 * As tilery_compute and tilery_stream_open, with the call options of options; but a signal that is to end the
 * program ends the wait, and cancels the call: CANCELLED, of which cli_fail says nothing.
 */
enum tilery_status call_compute(tilery_client *client, const struct cli_options *options,
                                const struct tilery_compute_request *request, tilery_result **out,
                                struct tilery_error *error);
enum tilery_status call_stream_open(tilery_client *client, const struct cli_options *options,
                                    tilery_stream **out, struct tilery_error *error);

#endif
