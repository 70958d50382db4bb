#include "measure.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/clock.h"

static struct pool *pool;

static void check(enum engine_status status)
{
    if (status == ENGINE_OK)
        return;
    fputs("no memory or threads for a run\n", stderr);
    exit(1);
}

/* When a run ended, told by the thread that ended it: the waiting thread's wake-up is not the run's. */
struct end {
    sem_t over;
    uint64_t at_ns;
};

static void on_end(void *arg)
{
    struct end *end = arg;

    end->at_ns = clock_now_ns();
    sem_post(&end->over);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

void measure_begin(void)
{
    check(pool_create(&pool));
}

void measure_end(void)
{
    pool_free(pool);
}

struct run_spec measure_spec(uint32_t width, uint32_t height, uint32_t max_iter, uint32_t tile,
                             const struct kernel *kernel)
{
    struct grid grid = grid_make(width, height, tile, tile);

    return (struct run_spec){.grid = grid,
                             .plane = {-2.5, -1.0, 3.5, 2.0, width, height, max_iter},
                             .kernel = kernel,
                             .num_threads = 1,
                             .time_limit_ms = 600000,
                             .task_count = (uint32_t)grid.tiles};
}

struct measured measure_run(const struct run_spec *spec)
{
    uint64_t begin = clock_now_ns();
    struct run_summary summary;
    struct measured measured;
    struct run *run;
    size_t count;
    struct end end;

    sem_init(&end.over, 0, 0);
    check(run_create(spec, NULL, on_end, &end, &run));
    check(run_start(run, pool));
    wait_for(&end.over);
    summary = run_summary(run);
    measured = (struct measured){
        .whole_ms = (double)(end.at_ns - begin) / 1e6,
        .tiles_ms = (double)(summary.wall_ns - run_records(run, &count)[0].start_ns) / 1e6,
        .steps = summary.iterations,
    };
    run_free(run);
    sem_destroy(&end.over);
    return measured;
}

double measure_cancel_ms(void)
{
    struct run_spec spec = measure_spec(8192, 8192, 65535, 8192, &kernel_scalar);
    const struct timespec a_while = {.tv_nsec = 5000000};
    struct run *run;
    struct end end;
    uint64_t begin;

    spec.plane.re_min = -0.2;
    spec.plane.im_min = -0.1;
    spec.plane.re_span = spec.plane.im_span = 0.2;
    sem_init(&end.over, 0, 0);
    check(run_create(&spec, NULL, on_end, &end, &run));
    check(run_start(run, pool));
    nanosleep(&a_while, NULL);
    begin = clock_now_ns();
    run_cancel(run);
    wait_for(&end.over);
    run_free(run);
    sem_destroy(&end.over);
    return (double)(end.at_ns - begin) / 1e6;
}

static void note_begin(void *arg, uint32_t k)
{
    struct end *end = arg;

    (void)k;
    on_end(end);
}

double measure_wake_up_us(void)
{
    uint64_t begin;
    struct end end;

    sem_init(&end.over, 0, 0);
    begin = clock_now_ns();
    check(pool_start(pool, 1, note_begin, &end));
    wait_for(&end.over);
    sem_destroy(&end.over);
    return (double)(end.at_ns - begin) / 1e3;
}
