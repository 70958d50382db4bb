#ifndef TILERY_TESTS_BENCH_MEASURE_H
#define TILERY_TESTS_BENCH_MEASURE_H

#include <stdint.h>

#include "engine/run.h"

/* Times of the engine's runs, one at a time, on one warm pool. What fails ends the program. */

void measure_begin(void);
void measure_end(void);

/* The documented part of the plane, one thread, the static schedule and no time limit to speak of. */
struct run_spec measure_spec(uint32_t width, uint32_t height, uint32_t max_iter, uint32_t tile,
                             const struct kernel *kernel);

struct measured {
    double whole_ms; /* from the making of the run to its end */
    double tiles_ms; /* from the begin of the first tile to the end, without the wake-up of the thread */
    uint64_t steps;
};

struct measured measure_run(const struct run_spec *spec);

/* From a cancel to the end of a run with one 8192 x 8192 tile inside the cardioid, at 65535, with SCALAR. */
double measure_cancel_ms(void);

/* How long an idle thread of the pool takes to wake up. */
double measure_wake_up_us(void);

#endif
