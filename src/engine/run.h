#ifndef TILERY_ENGINE_RUN_H
#define TILERY_ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/grid.h"
#include "engine/kernel.h"
#include "engine/pool.h"
#include "engine/schedule.h"

/* One computation: tasks of one image, on threads of its own, from start to the last tile. */
struct run;

struct run_spec {
    struct grid grid;
    struct plane plane; /* of the same width and height as the grid */
    const struct kernel *kernel;
    enum schedule_kind schedule;
    bool sequential;        /* one thread, and the time limit is reached at elapsed >= limit, not > */
    uint32_t num_threads;   /* asked for; the schedule may use fewer */
    uint64_t time_limit_ms; /* looked at before each tile; 0 starts none */
    uint32_t first_task, task_count; /* a range of the grid's tasks */
};

/* What is told of one finished tile. Times are nanoseconds of CLOCK_MONOTONIC, the start since the run began.
 */
struct run_record {
    uint64_t start_ns, duration_ns;
    uint32_t task_id, thread_id;
};

struct run_thread {
    _Alignas(64) uint64_t busy_ns; /* sum of its tiles' durations */
    uint64_t tiles, pixels, iterations;
};

struct run_summary {
    uint64_t wall_ns;
    uint64_t pixels;     /* really computed, clipped */
    uint64_t iterations; /* the sum of all escape counts */
    double imbalance;    /* max / mean of the threads' busy_ns; 0 when no tile was done */
    uint32_t threads, tiles_planned, tiles_done;
    bool time_limited; /* tiles were left undone because of the time limit */
    bool cancelled;    /* run_cancel came before the last tile was done */
};

/*
 * Where finished tiles go when their counts are wanted. Both are called on the run's threads, several at
 * once.
 */
struct run_sink {
    /* Room for the tile's columns * rows counts, before it is computed; may wait. NULL ends the thread's
     * part. */
    uint16_t *(*acquire)(void *arg, uint32_t task_id, struct tile tile);
    /* The tile, computed whole, or abandoned half-way because of a cancel. Gives the counts back. */
    void (*finish)(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                   bool computed);
    void *arg;
};

/*
 * Called once, on the thread that ends last, or by run_start itself where there is nothing to run. From then
 * on the results can be read and the run can be freed, in the callback too.
 */
typedef void run_done_fn(void *arg);

/* Ends with run_free. The spec is copied; a NULL sink means that only records are wanted. Takes little memory
 * yet. */
ENGINE_MUST_USE enum engine_status run_create(const struct run_spec *spec, const struct run_sink *sink,
                                              run_done_fn *done, void *arg, struct run **out);

/* Once a run, and not while it runs. NULL is fine. */
void run_free(struct run *run);

/* How many threads run_start will take. */
uint32_t run_threads(const struct run *run);

/* The clock starts here. When it fails, done is not called. */
ENGINE_MUST_USE enum engine_status run_start(struct run *run, struct pool *pool);

/* From any thread, at any time before run_free: the threads stop within a tile, soon. */
void run_cancel(struct run *run);

/* Whether run_cancel has been called. A sink that waits looks at it. */
bool run_is_cancelled(const struct run *run);

/*
 * After done, without a sink: the records, stably sorted by whole milliseconds of start; among equals in
 * finishing order. Those of a cancelled run are in no order. They belong to the run.
 */
const struct run_record *run_records(const struct run *run, size_t *count);

/* After done, or where the run was not started: then nothing was done. run_thread's k is below
 * summary.threads. */
struct run_summary run_summary(const struct run *run);
const struct run_thread *run_thread(const struct run *run, uint32_t k);
const struct run_spec *run_spec(const struct run *run);

#endif
