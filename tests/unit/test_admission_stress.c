/* Many threads submit and cancel at once; every job is finished once, or refused. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "image.h"
#include "service/admission.h"
#include "suite.h"

#define THREADS 4
#define SHARE 2
#define WIDEST 6
#define SUBMITTERS 4
#define JOBS 200 /* of each submitter */

struct tried_job {
    struct job job; /* first: a job is cast back */
    char id[16];
    uint32_t width;
    bool accepted;
    atomic_uint finishes;
    sem_t finished; /* posted by each finish */
    enum wire_status refused, ended;
    uint16_t room[WIDEST][64];
};

static struct tried_job tried[SUBMITTERS][JOBS];
static struct admission *admission;
static struct pool *pool;

/* Threads at their tiles, and how often there were more than there may be, or a job was taken or refused
 * wrongly. */
static atomic_uint narrow_at_work, wide_at_work, streams_at_work, faults;
static sem_t ticks[2];     /* posted at each submission, for those who only cancel */
static bool to_be_drained; /* half-way */

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static uint16_t *acquire(void *arg, uint32_t task_id, struct tile tile)
{
    struct tried_job *mine = arg;
    bool fault = false;

    (void)tile;
    if (mine->job.stream)
        fault |= atomic_fetch_add(&streams_at_work, 1) >= SHARE;
    else if (mine->width > THREADS)
        fault |= atomic_fetch_add(&wide_at_work, 1) >= mine->width || atomic_load(&narrow_at_work) != 0;
    else
        fault |= atomic_fetch_add(&narrow_at_work, 1) >= THREADS || atomic_load(&wide_at_work) != 0;
    atomic_fetch_add(&faults, fault);
    return mine->room[task_id];
}

static void finish_tile(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                        bool computed)
{
    const struct tried_job *mine = arg;

    (void)record;
    (void)tile;
    (void)counts;
    (void)computed;
    if (mine->job.stream)
        atomic_fetch_sub(&streams_at_work, 1);
    else
        atomic_fetch_sub(mine->width > THREADS ? &wide_at_work : &narrow_at_work, 1);
}

static void finish(struct job *job, const struct wire_error *why)
{
    struct tried_job *mine = (struct tried_job *)(void *)job;

    mine->ended = why->status;
    atomic_fetch_add(&mine->finishes, 1);
    sem_post(&mine->finished);
}

/* Widths from 1 to 6; every third narrow one is a stream. */
static void make(struct tried_job *mine, unsigned submitter, unsigned i)
{
    uint32_t width = 1 + (i * 5 + submitter) % WIDEST;
    struct run_spec spec = image_spec(image_plane(8 * width, 8, 50), 8, 8, width);
    struct run_sink sink = {.acquire = acquire, .finish = finish_tile, .arg = mine};

    *mine = (struct tried_job){.width = width};
    sem_init(&mine->finished, 0, 0);
    (void)snprintf(mine->id, sizeof mine->id, "%u-%u", submitter, i);
    mine->job = (struct job){.admission = admission,
                             .request_id = mine->id,
                             .stream = width <= SHARE && i % 3 == 0,
                             .finish = finish};
    ck_assert_int_eq(run_create(&spec, &sink, admission_run_done, mine, &mine->job.run), ENGINE_OK);
}

static void set_up(void)
{
    struct admission_options options = {.max_threads = THREADS, .max_queue = 10};
    struct wire_error error;

    atomic_store(&faults, 0);
    sem_init(&ticks[0], 0, 0);
    sem_init(&ticks[1], 0, 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(admission_create(&options, pool, &admission, &error), WIRE_OK);
    for (unsigned submitter = 0; submitter < SUBMITTERS; submitter++)
        for (unsigned i = 0; i < JOBS; i++)
            make(&tried[submitter][i], submitter, i);
}

static void try_job(struct tried_job *mine)
{
    bool draining = admission_draining(admission);
    struct wire_error error;

    mine->refused = admission_submit(&mine->job, &error);
    mine->accepted = mine->refused == WIRE_OK;
    atomic_fetch_add(&faults, draining && mine->accepted);
    atomic_fetch_add(&faults, mine->refused == WIRE_UNAVAILABLE && !admission_draining(admission));
}

/* Up to four jobs at once. Some are cancelled, as are a neighbour's: new, waiting, running or done. */
static void *submit(void *arg)
{
    struct tried_job *mine = arg;
    struct tried_job *neighbour = mine == tried[0] ? tried[1] : tried[0];

    for (unsigned i = 0; i < JOBS; i++) {
        if (i >= 4 && mine[i - 4].accepted)
            wait_for(&mine[i - 4].finished);
        try_job(&mine[i]);
        sem_post(&ticks[0]);
        sem_post(&ticks[1]);
        if (i % 7 == 3)
            admission_cancel(&mine[i].job, WIRE_DEADLINE_EXCEEDED);
        if (i % 11 == 5)
            admission_cancel(&neighbour[(i * 13) % JOBS].job, WIRE_CANCELLED);
    }
    return NULL;
}

static void *cancel_some(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < SUBMITTERS * JOBS; i++) {
        unsigned any = i * 17 % (SUBMITTERS * JOBS);

        wait_for(&ticks[0]);
        (void)admission_cancel_id(admission, tried[any / JOBS][any % JOBS].id);
    }
    return NULL;
}

static void *cancel_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < SUBMITTERS * JOBS; i++) {
        wait_for(&ticks[1]);
        if (i % 64 == 63)
            admission_cancel_all(admission);
        if (i == SUBMITTERS * JOBS / 2 && to_be_drained)
            admission_drain(admission);
        (void)admission_wait_idle(admission, 0);
    }
    return NULL;
}

static bool may_end(const struct tried_job *mine)
{
    if (mine->ended == WIRE_OK)
        return run_summary(mine->job.run).tiles_done == mine->width;
    return mine->ended == WIRE_CANCELLED || mine->ended == WIRE_DEADLINE_EXCEEDED ||
           mine->ended == WIRE_UNAVAILABLE;
}

static bool may_be_refused(const struct tried_job *mine)
{
    return mine->refused == WIRE_RESOURCE_EXHAUSTED || mine->refused == WIRE_CANCELLED ||
           mine->refused == WIRE_UNAVAILABLE;
}

static void check(struct tried_job *mine)
{
    ck_assert_uint_eq(atomic_load(&mine->finishes), mine->accepted);
    ck_assert_int_eq(mine->job.state, JOB_DONE);
    ck_assert(mine->accepted ? may_end(mine) : may_be_refused(mine));
    run_free(mine->job.run);
    sem_destroy(&mine->finished);
}

START_TEST(every_job_is_finished_once_or_refused)
{
    pthread_t threads[SUBMITTERS + 2];

    to_be_drained = _i % 2 == 1;
    for (size_t i = 0; i < SUBMITTERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit, tried[i]), 0);
    ck_assert_int_eq(pthread_create(&threads[SUBMITTERS], NULL, cancel_some, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[SUBMITTERS + 1], NULL, cancel_all, NULL), 0);
    for (size_t i = 0; i < SUBMITTERS + 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert(admission_wait_idle(admission, 60000));
    pool_free(pool);
    admission_free(admission);
    sem_destroy(&ticks[0]);
    sem_destroy(&ticks[1]);
    ck_assert_uint_eq(atomic_load(&faults), 0);
    for (size_t submitter = 0; submitter < SUBMITTERS; submitter++)
        for (size_t i = 0; i < JOBS; i++)
            check(&tried[submitter][i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("admission_stress");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_job_is_finished_once_or_refused, 0, 6);
    return suite_run("admission_stress", tests);
}
