/* How many threads of the pool compute: exactly those, whenever one looks. */
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "image.h"
#include "suite.h"

#define THREADS 3

static struct pool *pool;
static sem_t done;
static atomic_uint computing_at_end;

static void set_up(void)
{
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    sem_init(&done, 0, 0);
    atomic_store(&computing_at_end, UINT32_MAX);
}

static void tear_down(void)
{
    pool_free(pool);
    sem_destroy(&done);
}

static void note_end(void *arg)
{
    (void)arg;
    atomic_store(&computing_at_end, pool_computing(pool));
    sem_post(&done);
}

static void wait_done(void)
{
    while (sem_wait(&done) != 0)
        continue;
}

/* Tiles within the main cardioid, many minutes' work each: one a thread. */
static struct run_spec endless_spec(void)
{
    struct plane plane = image_plane(THREADS * 4096, 4096, 65535);
    struct run_spec spec;

    plane.re_min = -0.2;
    plane.im_min = -0.1;
    plane.re_span = plane.im_span = 0.2;
    spec = image_spec(plane, 4096, 4096, THREADS);
    spec.kernel = kernel_find("scalar");
    return spec;
}

static struct run *start(const struct run_spec *spec, const struct run_sink *sink)
{
    struct run *run;

    ck_assert_int_eq(run_create(spec, sink, note_end, NULL, &run), ENGINE_OK);
    ck_assert_int_eq(run_start(run, pool), ENGINE_OK);
    return run;
}

static void wait_computing(uint32_t threads)
{
    while (pool_computing(pool) != threads)
        sched_yield();
}

START_TEST(the_threads_of_runs_count_until_the_run_says_that_it_is_done)
{
    const struct run_spec spec = endless_spec();
    struct run *first = start(&spec, NULL), *second;

    wait_computing(THREADS);
    second = start(&spec, NULL);
    wait_computing(2 * THREADS);
    run_cancel(first);
    wait_done();
    ck_assert_uint_eq(atomic_load(&computing_at_end), THREADS);
    ck_assert_uint_eq(pool_computing(pool), THREADS);
    run_cancel(second);
    wait_done();
    ck_assert_uint_eq(atomic_load(&computing_at_end), 0);
    run_free(first);
    run_free(second);
}
END_TEST

struct gate {
    atomic_uint waiting;
    sem_t open;
};

static uint16_t *wait_at_gate(void *arg, uint32_t task_id, struct tile tile)
{
    struct gate *gate = arg;

    (void)task_id;
    (void)tile;
    atomic_fetch_add(&gate->waiting, 1);
    while (sem_wait(&gate->open) != 0)
        continue;
    return NULL;
}

START_TEST(a_thread_that_waits_for_its_reader_does_not_count)
{
    struct gate gate = {.waiting = 0};
    const struct run_sink sink = {.acquire = wait_at_gate, .arg = &gate};
    const struct run_spec spec = endless_spec();
    struct run *run;

    sem_init(&gate.open, 0, 0);
    run = start(&spec, &sink);
    while (atomic_load(&gate.waiting) != THREADS)
        sched_yield();
    ck_assert_uint_eq(pool_computing(pool), 0);
    for (int k = 0; k < THREADS; k++)
        sem_post(&gate.open);
    wait_done();
    ck_assert_uint_eq(atomic_load(&computing_at_end), 0);
    run_free(run);
    sem_destroy(&gate.open);
}
END_TEST

START_TEST(a_run_that_was_not_started_has_a_summary_of_nothing_done)
{
    const struct run_spec spec = endless_spec();
    struct run_summary summary;
    struct run *run;

    ck_assert_int_eq(run_create(&spec, NULL, note_end, NULL, &run), ENGINE_OK);
    summary = run_summary(run);
    ck_assert_uint_eq(summary.tiles_planned, THREADS);
    ck_assert_uint_eq(summary.tiles_done + summary.pixels + summary.iterations + summary.wall_ns, 0);
    run_free(run);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("computing");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_threads_of_runs_count_until_the_run_says_that_it_is_done);
    tcase_add_test(tests, a_thread_that_waits_for_its_reader_does_not_count);
    tcase_add_test(tests, a_run_that_was_not_started_has_a_summary_of_nothing_done);
    return suite_run("computing", tests);
}
