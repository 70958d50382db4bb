#ifndef TILERY_TESTS_BENCH_SETTINGS_H
#define TILERY_TESTS_BENCH_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>

#include "chart.h"

/* What the benchmarks have in common. */
struct settings {
    unsigned runs; /* of each */
    bool quick;
    const char *json, *chart;
    /* Of calls alone. */
    unsigned ms; /* how long a run is */
    bool inproc;
    const char *serve; /* be the server, of that kind, and nothing else */
};

/* Reads argv; ends the process where it is no good. The second one has the options of calls, too. */
void settings_parse(struct settings *settings, const char *doc, int argc, char **argv);
void settings_parse_calls(struct settings *settings, const char *doc, int argc, char **argv);

/* Writes the results where they are wanted; the chart is of their array of that name. False, and it says why,
 * when it cannot. */
bool settings_write(const struct settings *settings, const json_t *results, const struct chart *chart,
                    const char *rows);

#endif
