#ifndef TILERY_TESTS_BENCH_CHILD_H
#define TILERY_TESTS_BENCH_CHILD_H

#include <sys/types.h>

/* A server in a process of its own, which ends with this one: a program that prints "listening on URL" once
 * it serves. */
struct child {
    pid_t pid;
    char url[160];
};

/* From the main thread. Returns when it serves; ends the process, saying why, when it does not. Ends with
 * child_stop. */
void child_start(struct child *child, const char *const *argv);
void child_stop(const struct child *child);

/* For a server's main: says that it serves, until it is killed. */
_Noreturn void child_serve(const char *url);

/* What a process, this one or a child, has used so far. */
struct usage {
    double sleeps; /* how often a thread of its has waited for something */
    double cpu_us;
};
struct usage usage_of(pid_t pid);

/* How many threads it has. */
unsigned child_threads(pid_t pid);

#endif
