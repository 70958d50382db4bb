#ifndef TILERY_TESTS_BENCH_SETTINGS_H
#define TILERY_TESTS_BENCH_SETTINGS_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

/* What the benchmarks of calls have in common. */
struct settings {
    unsigned runs, ms; /* how often each is run, and how long */
    bool quick, inproc;
    const char *json, *chart;
    const char *serve; /* be the server, of that kind, and nothing else */
};

/* Reads argv; ends the process where it is no good. */
void settings_parse(struct settings *settings, const char *doc, int argc, char **argv);

/* Writes the results where they are wanted; those of "calls" make the chart. False, and it says why, when it
 * cannot. */
bool settings_write(const struct settings *settings, const json_t *results);

#endif
