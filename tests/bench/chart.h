#ifndef TILERY_TESTS_BENCH_CHART_H
#define TILERY_TESTS_BENCH_CHART_H

#include <jansson.h>
#include <stdbool.h>

/* Bars of "ratio", on a logarithmic scale, for an array of {"image", "kernel", "ratio"}, as SVG. False, and
 * errno, when the file cannot be written. */
bool chart_write(const char *file, const json_t *kernels);

#endif
