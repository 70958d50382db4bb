#ifndef TILERY_BRIDGE_EXPOSITION_H
#define TILERY_BRIDGE_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats/. A family's samples
 * follow its head without another family's between. */
#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Arrays of them end with a name that is NULL. Values may hold anything: what is not printable ASCII is
 * written as a question mark. */
struct exposition_label {
    const char *name, *value;
};

void exposition_family(FILE *out, const char *name, const char *type, const char *help);
void exposition_sample(FILE *out, const char *name, const struct exposition_label *labels, uint64_t value);
void exposition_seconds(FILE *out, const char *name, const struct exposition_label *labels, uint64_t ns);

/* counts[i] is of times above bounds_ns[i - 1] and up to bounds_ns[i]; counts[bounds], of times above all. */
struct exposition_histogram {
    const uint64_t *bounds_ns, *counts;
    size_t bounds;
    uint64_t sum_ns;
};
void exposition_histogram(FILE *out, const char *name, const struct exposition_label *labels,
                          const struct exposition_histogram *histogram);

#endif
