#include "engine/run.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/sort.h"

#define NS_PER_MS UINT64_C(1000000)

/* A thread without a sink computes into one strip of its own, again and again. */
#define STRIP_PIXELS 4096u

struct run {
    struct run_spec spec;
    struct run_sink sink;
    run_done_fn *done;
    void *done_arg;
    struct pool *pool; /* once it has started */
    uint32_t threads;
    uint64_t start_ns; /* of CLOCK_MONOTONIC */
    uint64_t limit_ns; /* the time limit, from start_ns on */
    uint64_t wall_ns;
    struct schedule schedule;
    struct schedule_cursor *cursors;      /* one a thread */
    struct run_thread *per_thread;        /* one a thread */
    struct run_record *records, *scratch; /* one a task; NULL with a sink */
    atomic_bool cancelled;
    atomic_bool limit_seen;
    _Alignas(64) atomic_uint finished; /* tiles; the next free slot of records */
    _Alignas(64) atomic_uint running;  /* threads */
};

enum engine_status run_create(const struct run_spec *spec, const struct run_sink *sink, run_done_fn *done,
                              void *arg, struct run **out)
{
    struct run *run = aligned_alloc(64, (sizeof *run + 63) / 64 * 64);

    *out = run;
    if (run == NULL)
        return ENGINE_NO_MEMORY;
    memset(run, 0, sizeof *run);
    run->spec = *spec;
    if (spec->sequential)
        run->spec.num_threads = 1;
    if (sink != NULL)
        run->sink = *sink;
    run->done = done;
    run->done_arg = arg;
    run->threads = schedule_threads(spec->schedule, spec->task_count, run->spec.num_threads);
    run->limit_ns = spec->time_limit_ms * NS_PER_MS;
    return ENGINE_OK;
}

void run_free(struct run *run)
{
    if (run == NULL)
        return;
    free(run->cursors);
    free(run->per_thread);
    free(run->records);
    free(run->scratch);
    free(run);
}

uint32_t run_threads(const struct run *run)
{
    return run->threads;
}

void run_cancel(struct run *run)
{
    atomic_store_explicit(&run->cancelled, true, memory_order_relaxed);
}

bool run_is_cancelled(const struct run *run)
{
    return atomic_load_explicit(&run->cancelled, memory_order_relaxed);
}

/* Before each tile: has anyone seen the limit exceeded, or is it now? */
static bool limit_reached(struct run *run, uint64_t elapsed_ns)
{
    bool reached;

    if (atomic_load_explicit(&run->limit_seen, memory_order_relaxed))
        return true;
    reached = run->spec.sequential ? elapsed_ns >= run->limit_ns : elapsed_ns > run->limit_ns;
    if (!reached && run->limit_ns != 0)
        return false;
    atomic_store_explicit(&run->limit_seen, true, memory_order_relaxed);
    return true;
}

/* In parts that 32 bits can hold, of which a vector has twice as many. */
static uint64_t sum(const uint16_t *counts, size_t pixels)
{
    const size_t most = UINT32_MAX / UINT16_MAX;
    uint64_t total = 0;

    for (size_t first = 0; first < pixels; first += most) {
        size_t end = pixels - first < most ? pixels : first + most;
        uint32_t part = 0;

        for (size_t i = first; i < end; i++)
            part += counts[i];
        total += part;
    }
    return total;
}

/* All of a tile's counts at once, where they are wanted; else strip by strip, each in the place of the one
 * before. */
static bool compute_tile(struct run *run, struct tile tile, uint16_t *counts, bool keep, uint64_t *iterations)
{
    uint32_t columns = keep || tile.columns < STRIP_PIXELS ? tile.columns : STRIP_PIXELS;
    uint32_t rows = keep ? tile.rows : STRIP_PIXELS / columns;

    for (uint32_t y = 0; y < tile.rows; y += rows) {
        uint32_t high = rows < tile.rows - y ? rows : tile.rows - y;

        for (uint32_t x = 0; x < tile.columns; x += columns) {
            uint32_t wide = columns < tile.columns - x ? columns : tile.columns - x;

            if (!run->spec.kernel->compute(&run->spec.plane, tile.x + x, tile.y + y, wide, high, counts,
                                           &run->cancelled))
                return false;
            *iterations += sum(counts, (size_t)wide * high);
        }
    }
    return true;
}

static void account(struct run_thread *mine, const struct run_record *record, struct tile tile,
                    uint64_t iterations)
{
    mine->busy_ns += record->duration_ns;
    mine->tiles++;
    mine->pixels += (uint64_t)tile.columns * tile.rows;
    mine->iterations += iterations;
}

/* Room for a tile's counts in the sink, which may let the thread wait. */
static uint16_t *acquire(struct run *run, uint32_t task_id, struct tile tile)
{
    uint16_t *counts;

    pool_end_computing(run->pool);
    counts = run->sink.acquire(run->sink.arg, task_id, tile);
    pool_begin_computing(run->pool);
    return counts;
}

/* One tile; false when the thread is to stop. */
static bool do_task(struct run *run, uint32_t thread_id, uint32_t task_id, uint16_t *strip)
{
    struct tile tile = grid_tile(&run->spec.grid, task_id);
    struct run_record record = {.task_id = task_id, .thread_id = thread_id};
    bool keep = run->sink.acquire != NULL;
    uint16_t *counts = keep ? acquire(run, task_id, tile) : strip;
    uint64_t iterations = 0;
    bool computed = false;

    if (counts == NULL)
        return false;
    record.start_ns = clock_now_ns() - run->start_ns;
    if (!run_is_cancelled(run) && !limit_reached(run, record.start_ns)) {
        computed = compute_tile(run, tile, counts, keep, &iterations);
        record.duration_ns = clock_now_ns() - run->start_ns - record.start_ns;
    }
    if (computed) {
        uint32_t slot = atomic_fetch_add_explicit(&run->finished, 1, memory_order_relaxed);

        account(&run->per_thread[thread_id], &record, tile, iterations);
        if (!keep)
            run->records[slot] = record;
    }
    if (keep)
        run->sink.finish(run->sink.arg, &record, tile, counts, computed);
    return computed;
}

/* To sort a million records takes longer than a cancel may. */
static void end_run(struct run *run)
{
    run->wall_ns = clock_now_ns() - run->start_ns;
    if (run->records != NULL && !run_summary(run).cancelled)
        sort_records(run->records, atomic_load(&run->finished), run->scratch);
    run->done(run->done_arg);
}

static void work(void *arg, uint32_t thread_id)
{
    struct run *run = arg;
    uint16_t strip[STRIP_PIXELS];
    uint32_t task_id;

    pool_begin_computing(run->pool);
    while (schedule_next(&run->schedule, thread_id, &task_id))
        if (!do_task(run, thread_id, task_id, strip))
            break;
    pool_end_computing(run->pool); /* first: whoever is told of the run's end finds none of its threads */
    if (atomic_fetch_sub_explicit(&run->running, 1, memory_order_acq_rel) == 1) {
        pool_leave();
        end_run(run);
    }
}

static bool allocate(struct run *run)
{
    size_t tasks = run->spec.task_count;

    run->per_thread = aligned_alloc(64, run->threads * sizeof *run->per_thread);
    if (run->per_thread == NULL)
        return false;
    memset(run->per_thread, 0, run->threads * sizeof *run->per_thread);
    run->cursors = aligned_alloc(64, run->threads * sizeof *run->cursors);
    if (run->cursors == NULL)
        return false;
    if (run->sink.acquire != NULL)
        return true;
    run->records = malloc(tasks * sizeof *run->records);
    run->scratch = malloc(tasks * sizeof *run->scratch);
    return run->records != NULL && run->scratch != NULL;
}

enum engine_status run_start(struct run *run, struct pool *pool)
{
    if (run->threads == 0) {
        run->start_ns = clock_now_ns();
        end_run(run);
        return ENGINE_OK;
    }
    if (!allocate(run))
        return ENGINE_NO_MEMORY;
    schedule_init(&run->schedule, run->spec.schedule, run->spec.first_task, run->spec.task_count,
                  run->spec.num_threads, run->cursors);
    run->pool = pool;
    atomic_store(&run->running, run->threads);
    run->start_ns = clock_now_ns();
    return pool_start(pool, run->threads, work, run);
}

const struct run_record *run_records(const struct run *run, size_t *count)
{
    *count = atomic_load(&run->finished);
    return run->records;
}

struct run_summary run_summary(const struct run *run)
{
    struct run_summary summary = {.wall_ns = run->wall_ns,
                                  .threads = run->threads,
                                  .tiles_planned = run->spec.task_count,
                                  .tiles_done = atomic_load(&run->finished)};
    bool left_undone = summary.tiles_done < summary.tiles_planned;
    uint64_t busy = 0, busiest = 0;

    for (uint32_t k = 0; k < run->threads && run->per_thread != NULL; k++) {
        const struct run_thread *thread = &run->per_thread[k];

        summary.pixels += thread->pixels;
        summary.iterations += thread->iterations;
        busy += thread->busy_ns;
        if (thread->busy_ns > busiest)
            busiest = thread->busy_ns;
    }
    if (busy != 0)
        summary.imbalance = (double)busiest * run->threads / (double)busy;
    summary.time_limited = left_undone && atomic_load(&run->limit_seen);
    summary.cancelled = left_undone && run_is_cancelled(run);
    return summary;
}

const struct run_thread *run_thread(const struct run *run, uint32_t k)
{
    return &run->per_thread[k];
}

const struct run_spec *run_spec(const struct run *run)
{
    return &run->spec;
}
