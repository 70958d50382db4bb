#include "sample.h"

#include <stdio.h>
#include <stdlib.h>

void sample_add(struct sample *sample, double value)
{
    if (sample->count == sample->room) {
        sample->room = sample->room * 2 + 16;
        sample->values = realloc(sample->values, sample->room * sizeof *sample->values);
        if (sample->values == NULL) {
            fputs("no memory for the values\n", stderr);
            exit(1);
        }
    }
    sample->values[sample->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double sample_percentile(struct sample *sample, double p)
{
    double at = p * (double)(sample->count - 1);
    size_t below = (size_t)at, above = below + 1 < sample->count ? below + 1 : below;

    qsort(sample->values, sample->count, sizeof *sample->values, compare);
    return sample->values[below] + (at - (double)below) * (sample->values[above] - sample->values[below]);
}

void sample_free(struct sample *sample)
{
    free(sample->values);
    *sample = (struct sample){.values = NULL};
}
