#include "grpc_work.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/run.h"
#include "service/admission.h"

/* tileryd's defaults. */
#define MAX_THREADS 32
#define MAX_QUEUE 128

struct works {
    struct admission *admission;
};

struct work {
    struct job job; /* first: a job is cast back */
    work_done_fn *done;
    void *arg;
};

struct works *works_create(void)
{
    const struct admission_options options = {.max_threads = MAX_THREADS, .max_queue = MAX_QUEUE};
    struct works *works = calloc(1, sizeof *works);
    struct wire_error error;
    struct pool *pool;

    if (works == NULL || pool_create(&pool) != ENGINE_OK ||
        admission_create(&options, pool, &works->admission, &error) != WIRE_OK)
        return NULL;
    return works;
}

static void finish(struct job *job, const struct wire_error *why)
{
    struct work *work = (struct work *)(void *)job;

    if (why->status != WIRE_OK)
        fprintf(stderr, "%s\n", why->message);
    work->done(work->arg, work);
}

bool work_start(struct works *works, const struct work_request *request, work_done_fn *done, void *arg)
{
    uint32_t width = (uint32_t)request->width, height = (uint32_t)request->height;
    struct grid grid = grid_make(width, height, (uint32_t)request->tile_w, (uint32_t)request->tile_h);
    const struct run_spec spec = {.grid = grid,
                                  .plane = {-2.5, -1.0, 3.5, 2.0, width, height, (uint32_t)request->max_iter},
                                  .kernel = kernel_find("auto"),
                                  .num_threads = (uint32_t)request->num_threads,
                                  .time_limit_ms = request->time_limit_ms,
                                  .task_count = (uint32_t)grid.tiles};
    struct work *work = calloc(1, sizeof *work);
    struct wire_error error;

    if (work == NULL)
        return false;
    *work = (struct work){.done = done, .arg = arg};
    work->job = (struct job){.admission = works->admission, .request_id = "", .finish = finish};
    if (run_create(&spec, NULL, admission_run_done, work, &work->job.run) == ENGINE_OK &&
        admission_submit(&work->job, &error) == WIRE_OK)
        return true;
    work_free(work);
    return false;
}

void work_free(struct work *work)
{
    run_free(work->job.run);
    free(work);
}

struct work_record work_record(const struct work *work, size_t i)
{
    size_t count;
    const struct run_record *record = &run_records(work->job.run, &count)[i];
    const struct grid *grid = &run_spec(work->job.run)->grid;
    struct tile tile = grid_tile(grid, record->task_id);

    return (struct work_record){.task_id = record->task_id,
                                .thread_id = record->thread_id,
                                .tile_x = tile.x,
                                .tile_y = tile.y,
                                .tile_w = grid->tile_w,
                                .tile_h = grid->tile_h,
                                .start_ns = record->start_ns,
                                .duration_ns = record->duration_ns};
}

struct work_summary work_summary(const struct work *work)
{
    const struct run_summary summary = run_summary(work->job.run);

    return (struct work_summary){.wall_ns = summary.wall_ns,
                                 .pixels = summary.pixels,
                                 .iterations = summary.iterations,
                                 .imbalance = summary.imbalance,
                                 .kernel = run_spec(work->job.run)->kernel->name,
                                 .threads = summary.threads,
                                 .tiles_planned = summary.tiles_planned,
                                 .tiles_done = summary.tiles_done,
                                 .time_limited = summary.time_limited};
}

struct work_thread work_thread(const struct work *work, uint32_t k)
{
    const struct run_thread *thread = run_thread(work->job.run, k);

    return (struct work_thread){.busy_ns = thread->busy_ns, .tiles = thread->tiles};
}
