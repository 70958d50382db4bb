#ifndef TILERY_TESTS_BENCH_CALLED_H
#define TILERY_TESTS_BENCH_CALLED_H

#include "child.h"
#include "load.h"

/* A Tilery server, called through libtilery. */
void called_start(struct child *child); /* tileryd, on a free port */

/* Health/Check, and the documented request, 96 x 96 in 32 x 32 tiles, 128 iterations, 500 ms, two threads, at
 * a URL that is the caller's. */
struct target called_health(const char *url);
struct target called_compute(const char *url);

/* The contexts of a tileryd that is not told otherwise, and what a Health/Check takes on the wire. */
#define CALLED_CONTEXTS 448
size_t called_health_request_bytes(void);
size_t called_health_reply_bytes(void);

#endif
