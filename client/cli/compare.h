#ifndef TILERY_CLI_COMPARE_H
#define TILERY_CLI_COMPARE_H

#include <stdio.h>

#include "cli.h"

/* One combination that is compared. */
struct compare_row {
    struct tilery_compute_request request; /* its kernel belongs to the comparison */
    uint64_t *walls_ns;                    /* one a run; sorted when all have been made */
    double *imbalances;                    /* the same */
    uint64_t tiles;                        /* of a run */
    size_t threads;                        /* that the schedule used */
    char kernel[64];                       /* the one that ran */
};

struct comparison {
    struct compare_row *rows;
    size_t count, baseline; /* the row that speedup is against */
    unsigned runs;
};

double compare_median_ns(const struct comparison *comparison, const struct compare_row *row);
double compare_speedup(const struct comparison *comparison, const struct compare_row *row);

/* Against the row of the same kernel with the fewest threads: what part of these threads' time was worth it.
 */
double compare_efficiency(const struct comparison *comparison, const struct compare_row *row);

/* Writes the comparison as a table for people, CSV, or JSON. */
void compare_table(const struct comparison *comparison, FILE *out);
void compare_csv(const struct comparison *comparison, FILE *out);
void compare_json(const struct comparison *comparison, FILE *out);

#endif
