#ifndef TILERY_TESTS_BENCH_ECHO_H
#define TILERY_TESTS_BENCH_ECHO_H

#include <stddef.h>

#include "load.h"

/* nng and nothing else: a REP socket whose contexts answer each request with reply_bytes, from the callback
 * that it came in. */
struct echo;

/* Writes the URL with the port really bound to bound, which holds 128 bytes. NULL when it cannot listen. Ends
 * with echo_stop. */
struct echo *echo_start(const char *url, unsigned contexts, size_t reply_bytes, char *bound);
void echo_stop(struct echo *echo);

/* The clients: a REQ context each, sent and received on by the calling thread. */
void *echo_open(const struct target *target);
bool echo_call(void *client);
void echo_close(void *client);

#endif
