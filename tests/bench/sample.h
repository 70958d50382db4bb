#ifndef TILERY_TESTS_BENCH_SAMPLE_H
#define TILERY_TESTS_BENCH_SAMPLE_H

#include <stddef.h>

/* Measured values of one thing, of any unit. */
struct sample {
    double *values;
    size_t count, room;
};

void sample_add(struct sample *sample, double value);
/* Sorts; p from 0 to 1, 0.5 for the median. At least one value. */
double sample_percentile(struct sample *sample, double p);
void sample_free(struct sample *sample);

#endif
