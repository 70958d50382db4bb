#include "engine/run.h"
#include "engine/sort.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "image.h"
#include "suite.h"

START_TEST(a_time_limit_of_0_starts_no_tile)
{
    struct run_spec spec = image_small(3);
    struct run_summary summary;
    struct run *run;
    size_t count;

    spec.time_limit_ms = 0;
    spec.sequential = _i == 1;
    run = image_run(&spec, NULL);
    summary = run_summary(run);
    (void)run_records(run, &count);
    ck_assert_uint_eq(count, 0);
    ck_assert(summary.time_limited && !summary.cancelled);
    ck_assert_uint_eq(summary.tiles_done + summary.pixels + summary.iterations, 0);
    ck_assert_double_eq(summary.imbalance, 0.0);
    run_free(run);
}
END_TEST

static atomic_uint begun;

/* Takes at least 20 ms, whatever the tile. */
static bool compute_slowly(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                           uint16_t *counts, const atomic_bool *stop)
{
    bool computed;
    struct timespec begin, now;

    atomic_fetch_add(&begun, 1);
    computed = kernel_scalar.compute(plane, x, y, columns, rows, counts, stop);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 20000000);
    return computed;
}

START_TEST(a_tile_begun_within_the_limit_is_recorded_and_none_after_it)
{
    static const struct kernel slow = {.name = "slow", .compute = compute_slowly};
    struct run_spec spec = image_small(3);
    struct run_summary summary;
    struct run *run;
    size_t count;

    atomic_store(&begun, 0);
    spec.kernel = &slow;
    spec.time_limit_ms = 19;
    spec.sequential = _i == 1;
    run = image_run(&spec, NULL);
    summary = run_summary(run);
    (void)run_records(run, &count);
    ck_assert_uint_eq(count, atomic_load(&begun));
    ck_assert_uint_le(count, summary.threads);
    ck_assert(summary.time_limited && !summary.cancelled);
    run_free(run);
}
END_TEST

static void post(void *arg)
{
    sem_post(arg);
}

static sem_t inside;

static bool compute_and_tell(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns,
                             uint32_t rows, uint16_t *counts, const atomic_bool *stop)
{
    sem_post(&inside);
    return kernel_scalar.compute(plane, x, y, columns, rows, counts, stop);
}

/* 8192 x 8192 pixels within the main cardioid: every one takes all 65,535 steps. */
static struct run_spec endless_spec(const struct kernel *kernel)
{
    struct plane plane = {.re_min = -0.2, .im_min = -0.1, .re_span = 0.2, .im_span = 0.2};
    struct run_spec spec;

    plane.width = plane.height = 8192;
    plane.max_iter = 65535;
    spec = image_spec(plane, 8192, 8192, 1);
    spec.kernel = kernel;
    return spec;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

/* Cancels while the tile is computed, and waits for the end. */
static void check_cancelled(struct run *run, sem_t *end)
{
    struct pool *pool;

    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(run_start(run, pool), ENGINE_OK);
    wait_for(&inside);
    ck_assert(!run_is_cancelled(run));
    run_cancel(run);
    ck_assert(run_is_cancelled(run));
    wait_for(end);
    pool_free(pool);
    ck_assert(run_summary(run).cancelled && !run_summary(run).time_limited);
    ck_assert_uint_eq(run_summary(run).tiles_done + run_summary(run).pixels, 0);
}

START_TEST(a_cancel_ends_a_run_within_a_tile)
{
    static const struct kernel telling = {.name = "telling", .compute = compute_and_tell};
    struct run_spec spec = endless_spec(&telling);
    struct run *run;
    size_t count;
    sem_t end;

    sem_init(&inside, 0, 0);
    sem_init(&end, 0, 0);
    ck_assert_int_eq(run_create(&spec, NULL, post, &end, &run), ENGINE_OK);
    check_cancelled(run, &end);
    (void)run_records(run, &count);
    ck_assert_uint_eq(count, 0);
    run_free(run);
    sem_destroy(&end);
    sem_destroy(&inside);
}
END_TEST

START_TEST(a_run_cancelled_before_its_start_computes_nothing)
{
    struct run_spec spec = endless_spec(&kernel_scalar);
    struct pool *pool;
    struct run *run;
    sem_t end;

    sem_init(&end, 0, 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(run_create(&spec, NULL, post, &end, &run), ENGINE_OK);
    run_cancel(run);
    ck_assert_int_eq(run_start(run, pool), ENGINE_OK);
    wait_for(&end);
    ck_assert(run_summary(run).cancelled);
    ck_assert_uint_eq(run_summary(run).tiles_done, 0);
    run_free(run);
    pool_free(pool);
    sem_destroy(&end);
}
END_TEST

/* ---- A sort takes its time ---- */

static unsigned sorts;
static struct run *to_cancel;

void __real_sort_records(struct run_record *records, size_t count, struct run_record *scratch);
void __wrap_sort_records(struct run_record *records, size_t count, struct run_record *scratch);

void __wrap_sort_records(struct run_record *records, size_t count, struct run_record *scratch)
{
    sorts++;
    __real_sort_records(records, count, scratch);
}

static bool cancel_after_the_first(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns,
                                   uint32_t rows, uint16_t *counts, const atomic_bool *stop)
{
    if (x != 0 && to_cancel != NULL)
        run_cancel(to_cancel);
    return kernel_scalar.compute(plane, x, y, columns, rows, counts, stop);
}

START_TEST(a_cancelled_run_is_not_sorted)
{
    static const struct kernel cancelling = {.name = "cancelling", .compute = cancel_after_the_first};
    struct run_spec spec = image_small(1);
    struct pool *pool;
    sem_t end;

    sorts = 0;
    spec.kernel = &cancelling;
    sem_init(&end, 0, 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(run_create(&spec, NULL, post, &end, &to_cancel), ENGINE_OK);
    ck_assert_int_eq(run_start(to_cancel, pool), ENGINE_OK);
    wait_for(&end);
    pool_free(pool);
    ck_assert(run_summary(to_cancel).cancelled);
    ck_assert_uint_eq(run_summary(to_cancel).tiles_done, 1);
    ck_assert_uint_eq(sorts, 0);
    run_free(to_cancel);
    to_cancel = NULL;
    run_free(image_run(&spec, NULL));
    ck_assert_uint_eq(sorts, 1);
    sem_destroy(&end);
}
END_TEST

START_TEST(a_cancel_after_the_end_changes_nothing)
{
    struct run_spec spec = image_small(2);
    struct run *run = image_run(&spec, NULL);

    run_cancel(run);
    ck_assert(!run_summary(run).cancelled);
    ck_assert_uint_eq(run_summary(run).tiles_done, 12);
    run_free(run);
}
END_TEST

static void note_end(void *arg)
{
    *(bool *)arg = true;
}

START_TEST(a_run_of_no_task_ends_in_its_start)
{
    struct run_spec spec = image_small(2);
    struct pool *pool;
    struct run *run;
    bool ended = false;

    spec.task_count = 0;
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(run_create(&spec, NULL, note_end, &ended, &run), ENGINE_OK);
    ck_assert_uint_eq(run_threads(run), 0);
    ck_assert_int_eq(run_start(run, pool), ENGINE_OK);
    ck_assert(ended);
    ck_assert_uint_eq(run_summary(run).tiles_done, 0);
    run_free(run);
    pool_free(pool);
}
END_TEST

START_TEST(a_run_that_was_never_started_is_freed)
{
    struct run_spec spec = image_small(2);
    struct run *run;

    ck_assert_int_eq(run_create(&spec, NULL, post, NULL, &run), ENGINE_OK);
    run_free(run);
    run_free(NULL);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("run ends");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_time_limit_of_0_starts_no_tile, 0, 2);
    tcase_add_loop_test(tests, a_tile_begun_within_the_limit_is_recorded_and_none_after_it, 0, 2);
    tcase_add_test(tests, a_cancel_ends_a_run_within_a_tile);
    tcase_add_test(tests, a_run_cancelled_before_its_start_computes_nothing);
    tcase_add_test(tests, a_cancelled_run_is_not_sorted);
    tcase_add_test(tests, a_cancel_after_the_end_changes_nothing);
    tcase_add_test(tests, a_run_of_no_task_ends_in_its_start);
    tcase_add_test(tests, a_run_that_was_never_started_is_freed);
    return suite_run("run ends", tests);
}
