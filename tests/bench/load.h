#ifndef TILERY_TESTS_BENCH_LOAD_H
#define TILERY_TESTS_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "sample.h"

/* What is measured: clients that call a server, each over a connection of its own. Static or the caller's. */
struct target {
    const char *name;
    const char *url;
    size_t request_bytes, reply_bytes;          /* of a bare echo */
    void *(*open)(const struct target *target); /* NULL when it does not connect, or there is no memory */
    bool (*call)(void *client);                 /* one call, waited for */
    void (*close)(void *client);
};

/* A target's clients, for one thread each. Ends with load_close. */
struct load {
    const struct target *target;
    void **clients;
    unsigned count;
};

/* Ends the process, saying why, when it fails; so does load_run. */
void load_open(struct load *load, const struct target *target, unsigned count);
void load_close(struct load *load);

/*
 * The first `clients` of them call for ms milliseconds, each as soon as it has its answer, on a thread of its
 * own. Adds how long each call took, in microseconds, and returns the calls a second.
 */
double load_run(const struct load *load, unsigned clients, unsigned ms, struct sample *times_us);

#endif
