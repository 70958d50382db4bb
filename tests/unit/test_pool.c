#include "engine/pool.h"

#include <pthread.h>
#include <semaphore.h>

#include "suite.h"

#define MOST 33

/* One start: each thread notes itself, meets all the others, and tells that it leaves. */
struct meeting {
    pthread_barrier_t barrier;
    sem_t left;
    pthread_t threads[MOST];
    unsigned calls[MOST]; /* each k's own, hence no lock */
};

static struct pool *pool;

static void set_up(void)
{
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
}

static void tear_down(void)
{
    pool_free(pool);
}

static void meet(void *arg, uint32_t k)
{
    struct meeting *meeting = arg;

    meeting->threads[k] = pthread_self();
    meeting->calls[k]++;
    pthread_barrier_wait(&meeting->barrier);
    sem_post(&meeting->left);
}

/* Ends only if all threads are inside their work at once. Fails unless each k ran, on a thread of its own. */
static void hold_meeting(uint32_t threads)
{
    struct meeting meeting = {.calls = {0}};

    sem_init(&meeting.left, 0, 0);
    pthread_barrier_init(&meeting.barrier, NULL, threads != 0 ? threads : 1);
    ck_assert_int_eq(pool_start(pool, threads, meet, &meeting), ENGINE_OK);
    for (uint32_t k = 0; k < threads; k++)
        while (sem_wait(&meeting.left) != 0)
            continue;
    pthread_barrier_destroy(&meeting.barrier);
    sem_destroy(&meeting.left);
    for (uint32_t k = 0; k < MOST; k++) {
        ck_assert_uint_eq(meeting.calls[k], k < threads);
        for (uint32_t other = 0; other < k && k < threads; other++)
            ck_assert(!pthread_equal(meeting.threads[k], meeting.threads[other]));
    }
}

START_TEST(each_k_runs_once_on_a_thread_of_its_own_all_at_once)
{
    hold_meeting(MOST);
    ck_assert_uint_eq(pool_size(pool), MOST);
}
END_TEST

START_TEST(every_size_works_on_the_same_pool)
{
    for (uint32_t threads = 1; threads <= MOST; threads++)
        hold_meeting(threads);
    for (uint32_t threads = MOST; threads > 0; threads--)
        hold_meeting(threads);
}
END_TEST

/* A thread is idle a moment after its work's end, so one start may miss it; not all of them do. */
START_TEST(idle_threads_are_used_again)
{
    uint32_t before;
    int tries = 0;

    do {
        before = pool_size(pool);
        hold_meeting(4);
    } while (pool_size(pool) == before + 4 && ++tries < 200);
    ck_assert_uint_lt(pool_size(pool), before + 4);
}
END_TEST

START_TEST(no_thread_is_started_before_one_is_wanted)
{
    ck_assert_uint_eq(pool_size(pool), 0);
    hold_meeting(0);
    ck_assert_uint_eq(pool_size(pool), 0);
}
END_TEST

static void *meet_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        hold_meeting(3);
    return NULL;
}

START_TEST(several_threads_may_start_work_at_once)
{
    pthread_t callers[4];

    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, meet_often, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(callers[i], NULL);
}
END_TEST

START_TEST(null_is_freed)
{
    pool_free(NULL);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pool");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_k_runs_once_on_a_thread_of_its_own_all_at_once);
    tcase_add_test(tests, every_size_works_on_the_same_pool);
    tcase_add_test(tests, idle_threads_are_used_again);
    tcase_add_test(tests, no_thread_is_started_before_one_is_wanted);
    tcase_add_test(tests, several_threads_may_start_work_at_once);
    tcase_add_test(tests, null_is_freed);
    return suite_run("pool", tests);
}
