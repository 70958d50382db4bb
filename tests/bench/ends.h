#ifndef TILERY_TESTS_BENCH_ENDS_H
#define TILERY_TESTS_BENCH_ENDS_H

#include <jansson.h>

#include "child.h"
#include "settings.h"

/* How soon a run that would take minutes ends, with the kernel scalar inside the main cardioid: the caller's
 * wait past its deadline, and how long the server's Stats still tell of its thread. */
void ends_bench(const struct child *server, const struct settings *settings, json_t *out);

/* The same over HTTP, of clients that leave together, from the first one's close: one, as many as
 * ENDS_THREADS, which a server by default computes with, and as many as its queue holds beside those. */
#define ENDS_THREADS 32u
#define ENDS_MOST_CLIENTS 160u
void ends_bench_bridge(const struct child *server, const struct child *bridge,
                       const struct settings *settings, json_t *out);

/* Of --serve, before the URL: a process that has such a run at that server, until it is killed. */
#define ENDS_CALLER "caller:"
_Noreturn void ends_serve_caller(const char *url);

#endif
