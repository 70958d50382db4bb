#ifndef TILERY_CLI_BENCH_H
#define TILERY_CLI_BENCH_H

#include <stdio.h>

#include "cli.h"
#include "hdr.h"

#define BENCH_CODES (TILERY_UNAUTHENTICATED + 1)

/* What a load came to. */
struct bench_report {
    struct hdr latency_ns; /* of the answered calls, and so far of those that were not answered or not sent */
    uint64_t answered;     /* within the measured time, with OK */
    uint64_t errors[BENCH_CODES];
    uint64_t unanswered; /* sent, and still without an answer when the last word was written */
    uint64_t unsent;     /* due, and held up by those before them until the end */
    uint64_t ns;         /* the measured time */
    int signal;          /* that ended it; 0: none */
};

void bench_table(const struct cli_options *options, const struct bench_report *report, FILE *out);
void bench_json(const struct cli_options *options, const struct bench_report *report, FILE *out);

#endif
