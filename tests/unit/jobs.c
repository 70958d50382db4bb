#include "jobs.h"

#include <check.h>
#include <pthread.h>

#include "image.h"

struct admission *admission;

static struct pool *pool;
static struct held_job jobs[MOST_JOBS];
static size_t made;
static atomic_uint starts_to_fail;
static sem_t waiters;

enum engine_status __real_run_start(struct run *run, struct pool *in);
enum engine_status __wrap_run_start(struct run *run, struct pool *in);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);

enum engine_status __wrap_run_start(struct run *run, struct pool *in)
{
    if (atomic_load(&starts_to_fail) == 0)
        return __real_run_start(run, in);
    atomic_fetch_sub(&starts_to_fail, 1);
    return ENGINE_NO_THREADS;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    sem_post(&waiters);
    return __real_pthread_cond_timedwait(cond, mutex, until);
}

void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

void jobs_set_up(uint32_t max_threads, uint32_t max_queue)
{
    struct admission_options options = {.max_threads = max_threads, .max_queue = max_queue};
    struct wire_error error;

    made = 0;
    atomic_store(&starts_to_fail, 0);
    sem_init(&waiters, 0, 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(admission_create(&options, pool, &admission, &error), WIRE_OK);
}

static void free_job(struct held_job *held)
{
    ck_assert_uint_eq(atomic_load(&held->finishes), held->accepted);
    run_free(held->job.run);
    sem_destroy(&held->inside);
    sem_destroy(&held->go);
    sem_destroy(&held->finished);
    sem_destroy(&held->left);
}

void jobs_tear_down(void)
{
    pool_free(pool); /* joins: a run's last thread looks at admission after the job's finish */
    admission_free(admission);
    for (size_t i = 0; i < made; i++)
        free_job(&jobs[i]);
    sem_destroy(&waiters);
}

static uint16_t *acquire(void *arg, uint32_t task_id, struct tile tile)
{
    struct held_job *held = arg;

    (void)tile;
    sem_post(&held->inside);
    wait_for(&held->go);
    return held->room[task_id];
}

static void finish_tile(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                        bool computed)
{
    (void)arg;
    (void)record;
    (void)tile;
    (void)counts;
    (void)computed;
}

static void finish(struct job *job, const struct wire_error *why)
{
    struct held_job *held = (struct held_job *)(void *)job;

    held->why = *why;
    atomic_fetch_add(&held->finishes, 1);
    if (held->on_finish != NULL)
        held->on_finish(held);
    sem_post(&held->finished);
}

static void on_run_done(void *arg)
{
    struct held_job *held = arg;

    if (held->on_run_end != NULL)
        held->on_run_end(held);
    admission_run_done(&held->job);
    sem_post(&held->left);
}

struct held_job *jobs_make(const char *request_id, uint32_t threads)
{
    struct held_job *held = &jobs[made];
    struct run_sink sink = {.acquire = acquire, .finish = finish_tile, .arg = held};
    struct run_spec spec = image_spec(image_plane(8 * threads + 1, 8, 50), 8, 8, threads + 1);
    struct run *run;

    ck_assert_uint_lt(made, MOST_JOBS);
    ck_assert_uint_le(threads, MOST_THREADS);
    spec.task_count = threads;
    ck_assert_int_eq(run_create(&spec, &sink, on_run_done, held, &run), ENGINE_OK);
    ck_assert_uint_eq(run_threads(run), threads);
    *held = (struct held_job){.width = threads};
    held->job = (struct job){.admission = admission, .request_id = request_id, .run = run, .finish = finish};
    sem_init(&held->inside, 0, 0);
    sem_init(&held->go, 0, 0);
    sem_init(&held->finished, 0, 0);
    sem_init(&held->left, 0, 0);
    made++;
    return held;
}

struct held_job *jobs_make_stream(uint32_t threads)
{
    struct held_job *held = jobs_make("", threads);

    held->job.stream = true;
    return held;
}

void jobs_accept(struct held_job *held)
{
    struct wire_error error = {.status = WIRE_OK};

    held->accepted = true;
    ck_assert_msg(admission_submit(&held->job, &error) == WIRE_OK, "refused: %s", error.message);
}

struct held_job *jobs_submit(const char *request_id, uint32_t threads)
{
    struct held_job *held = jobs_make(request_id, threads);

    jobs_accept(held);
    return held;
}

struct held_job *jobs_submit_stream(uint32_t threads)
{
    struct held_job *held = jobs_make_stream(threads);

    jobs_accept(held);
    return held;
}

struct wire_error jobs_check_refused(struct held_job *held, enum wire_status status)
{
    struct wire_error error = {.status = WIRE_OK};

    ck_assert_int_eq(admission_submit(&held->job, &error), status);
    ck_assert_int_eq(error.status, status);
    ck_assert_str_ne(error.message, "");
    ck_assert_int_eq(held->job.state, JOB_DONE);
    ck_assert_uint_eq(atomic_load(&held->finishes), 0);
    return error;
}

void jobs_check_runs(struct held_job *held)
{
    ck_assert_int_eq(held->job.state, JOB_RUNNING);
    for (; held->seen < held->width; held->seen++)
        wait_for(&held->inside);
    ck_assert_uint_eq(atomic_load(&held->finishes), 0);
}

void jobs_check_waits(struct held_job *held)
{
    int inside;

    ck_assert_int_eq(held->job.state, JOB_QUEUED);
    sem_getvalue(&held->inside, &inside);
    ck_assert_int_eq(inside, 0);
    ck_assert_uint_eq(atomic_load(&held->finishes), 0);
}

void jobs_let_go(struct held_job *held)
{
    for (uint32_t k = 0; k < held->width; k++)
        sem_post(&held->go);
}

void jobs_end(struct held_job *held)
{
    jobs_let_go(held);
    jobs_check_finished(held, WIRE_OK);
    wait_for(&held->left);
    ck_assert_uint_eq(run_summary(held->job.run).tiles_done, held->width);
}

void jobs_check_finished(struct held_job *held, enum wire_status why)
{
    wait_for(&held->finished);
    ck_assert_uint_eq(atomic_load(&held->finishes), 1);
    ck_assert_int_eq(held->why.status, why);
    ck_assert_int_eq(held->why.message[0] == '\0', why == WIRE_OK);
}

void jobs_fail_starts(unsigned count)
{
    atomic_store(&starts_to_fail, count);
}

void jobs_await_waiter(void)
{
    wait_for(&waiters);
}
