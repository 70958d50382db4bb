#ifndef TILERY_TESTS_BENCH_CHART_H
#define TILERY_TESTS_BENCH_CHART_H

#include <jansson.h>
#include <stdbool.h>

/* Bars of one field of an array's objects; others name the bar and the group that it is in. */
struct chart {
    const char *title;
    const char *group, *name, *value; /* the fields */
    const char *unit;                 /* printed after the value */
    double most;                      /* the end of a logarithmic scale from 1 on; 0 for a linear one */
};

/* As SVG. False, and errno, when the file cannot be written. */
bool chart_write(const char *file, const struct chart *chart, const json_t *rows);

#endif
