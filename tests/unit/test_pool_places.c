/* Which threads, and on which processors. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/pool.h"
#include "suite.h"

/* More than enough for threads to be idle again, and to be left where the test put them. */
#define TRIES 500

static struct pool *pool;
static cpu_set_t all;

/* How many threads another one has moved, which the pool does within pool_start, and how many of them to
 * where they may not run. */
static atomic_int moves, trespasses;

/* The most processors that a thread of the pool has then been given back. */
static atomic_int given_back;

int __real_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus);
int __wrap_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus);

int __wrap_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus)
{
    cpu_set_t allowed;

    if (!pthread_equal(thread, pthread_self())) {
        ck_assert_int_eq(pthread_getaffinity_np(thread, sizeof allowed, &allowed), 0);
        CPU_AND(&allowed, &allowed, cpus);
        moves++;
        trespasses += !CPU_EQUAL(&allowed, cpus);
    } else if (CPU_COUNT(cpus) > given_back) {
        given_back = CPU_COUNT(cpus);
    }
    return __real_pthread_setaffinity_np(thread, size, cpus);
}

static void set_up(void)
{
    moves = trespasses = given_back = 0;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
}

static void tear_down(void)
{
    pool_free(pool);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static int first_cpu(void)
{
    int cpu = 0;

    while (!CPU_ISSET((unsigned)cpu, &all))
        cpu++;
    return cpu;
}

static void run_on(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((unsigned)cpu, &one);
    ck_assert_int_eq(__real_pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0);
}

/* ---- Who does the work ---- */

struct chain {
    sem_t over;
    pthread_t threads[100];
    unsigned length;
    bool leaves;
};

static void link_chain(void *arg, uint32_t k)
{
    struct chain *chain = arg;

    (void)k;
    chain->threads[chain->length++] = pthread_self();
    if (chain->length == 100) {
        sem_post(&chain->over);
        return;
    }
    if (chain->leaves)
        pool_leave();
    ck_assert_int_eq(pool_start(pool, 1, link_chain, chain), ENGINE_OK);
}

START_TEST(a_thread_that_leaves_goes_on_with_what_it_starts)
{
    struct chain chain = {.leaves = true};

    sem_init(&chain.over, 0, 0);
    ck_assert_int_eq(pool_start(pool, 1, link_chain, &chain), ENGINE_OK);
    wait_for(&chain.over);
    for (unsigned i = 1; i < chain.length; i++)
        ck_assert(pthread_equal(chain.threads[i], chain.threads[0]));
    ck_assert_uint_eq(pool_size(pool), 1);
    sem_destroy(&chain.over);
}
END_TEST

static void post(void *arg, uint32_t k)
{
    (void)k;
    sem_post(arg);
}

static void start_and_wait(void *arg, uint32_t k)
{
    sem_t inner;

    (void)k;
    sem_init(&inner, 0, 0);
    ck_assert_int_eq(pool_start(pool, 2, post, &inner), ENGINE_OK);
    wait_for(&inner);
    wait_for(&inner);
    sem_destroy(&inner);
    sem_post(arg);
}

/* Else its share would wait for the end of what it does. */
START_TEST(a_thread_that_does_not_leave_has_others_do_all)
{
    sem_t over;

    sem_init(&over, 0, 0);
    ck_assert_int_eq(pool_start(pool, 1, start_and_wait, &over), ENGINE_OK);
    wait_for(&over);
    ck_assert_uint_eq(pool_size(pool), 3);
    sem_destroy(&over);
}
END_TEST

struct pair {
    pthread_barrier_t met;
    sem_t over;
    unsigned calls[2];
};

static void meet(void *arg, uint32_t k)
{
    struct pair *pair = arg;

    pair->calls[k]++;
    pthread_barrier_wait(&pair->met);
    sem_post(&pair->over);
}

static void leave_for_two(void *arg, uint32_t k)
{
    (void)k;
    pool_leave();
    ck_assert_int_eq(pool_start(pool, 2, meet, arg), ENGINE_OK);
}

START_TEST(each_k_still_runs_once)
{
    for (int i = 0; i < 50; i++) {
        struct pair pair = {.calls = {0}};

        pthread_barrier_init(&pair.met, NULL, 2);
        sem_init(&pair.over, 0, 0);
        ck_assert_int_eq(pool_start(pool, 1, leave_for_two, &pair), ENGINE_OK);
        wait_for(&pair.over);
        wait_for(&pair.over);
        ck_assert_uint_eq(pair.calls[0], 1);
        ck_assert_uint_eq(pair.calls[1], 1);
        sem_destroy(&pair.over);
        pthread_barrier_destroy(&pair.met);
    }
}
END_TEST

/* The pool has seen the processors that its creator could use, and the administrator has changed them since:
 * a thread that takes a share itself runs on none that the pool knows. */
START_TEST(a_thread_that_leaves_may_run_where_the_pool_was_not_to)
{
    struct chain chain = {.leaves = true};
    cpu_set_t others = all;

    CPU_CLR((unsigned)first_cpu(), &others);
    if (CPU_COUNT(&others) == 0)
        return;
    pool_free(pool);
    run_on(first_cpu());
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(__real_pthread_setaffinity_np(pthread_self(), sizeof others, &others), 0);
    sem_init(&chain.over, 0, 0);
    ck_assert_int_eq(pool_start(pool, 1, link_chain, &chain), ENGINE_OK);
    wait_for(&chain.over);
    sem_destroy(&chain.over);
}
END_TEST

/* ---- Where ---- */

struct visit {
    pthread_barrier_t met;
    sem_t over;
    int cpu;
    cpu_set_t cpus[CPU_SETSIZE]; /* each k's when it begins */
};

/* All of them are at once; each then ends on visit->cpu. */
static void end_there(void *arg, uint32_t k)
{
    struct visit *visit = arg;

    ck_assert_int_eq(pthread_getaffinity_np(pthread_self(), sizeof visit->cpus[k], &visit->cpus[k]), 0);
    pthread_barrier_wait(&visit->met);
    run_on(visit->cpu);
    ck_assert_int_eq(__real_pthread_setaffinity_np(pthread_self(), sizeof visit->cpus[k], &visit->cpus[k]),
                     0);
    sem_post(&visit->over);
}

static void visit_once(struct visit *visit, uint32_t threads)
{
    pthread_barrier_init(&visit->met, NULL, threads);
    sem_init(&visit->over, 0, 0);
    ck_assert_int_eq(pool_start(pool, threads, end_there, visit), ENGINE_OK);
    for (uint32_t k = 0; k < threads; k++)
        wait_for(&visit->over);
    sem_destroy(&visit->over);
    pthread_barrier_destroy(&visit->met);
    for (uint32_t k = 0; k < threads; k++)
        ck_assert(CPU_EQUAL(&visit->cpus[k], &all));
}

/* The threads ended on the same one, so all but one must begin on another. */
START_TEST(where_all_processors_are_wanted_each_is_used)
{
    uint32_t threads = (uint32_t)CPU_COUNT(&all);
    struct visit visit = {.cpu = first_cpu()};
    int most = 0;

    for (int i = 0; i < TRIES && most < (int)threads - 1; i++) {
        moves = 0;
        visit_once(&visit, threads);
        if (i != 0 && moves > most)
            most = moves;
    }
    ck_assert_int_eq(most, (int)threads - 1);
    ck_assert_int_eq(trespasses, 0);
}
END_TEST

/* It is no longer held to what it had, and uses what its cpuset gets later. */
START_TEST(a_moved_thread_is_set_free)
{
    uint32_t threads = (uint32_t)CPU_COUNT(&all);
    struct visit visit = {.cpu = first_cpu()};

    for (int i = 0; i < TRIES && moves == 0; i++)
        visit_once(&visit, threads);
    ck_assert_int_eq(given_back, CPU_SETSIZE);
}
END_TEST

/* As by taskset: visit_once sees to it that the threads stay there. */
START_TEST(a_moved_thread_of_a_process_that_is_held_is_not)
{
    struct visit visit = {.cpu = first_cpu()};

    pool_free(pool);
    run_on(first_cpu());
    set_up();
    for (int i = 0; i < TRIES && moves == 0; i++)
        visit_once(&visit, 2);
    ck_assert_int_ne(moves, 0);
    visit_once(&visit, 2);
}
END_TEST

START_TEST(fewer_threads_go_where_the_kernel_has_them_go)
{
    uint32_t threads = (uint32_t)CPU_COUNT(&all) - 1;
    struct visit visit = {.cpu = first_cpu()};

    for (int i = 0; i < 20 && threads != 0; i++)
        visit_once(&visit, threads);
    ck_assert_int_eq(moves, 0);
}
END_TEST

static void pin(void *arg, uint32_t k)
{
    (void)k;
    run_on(first_cpu());
    sem_post(arg);
}

/* Somebody, the administrator say, has seen to where they may run since. */
START_TEST(no_thread_is_moved_where_it_may_not_run)
{
    sem_t over;
    uint32_t threads = (uint32_t)CPU_COUNT(&all);

    sem_init(&over, 0, 0);
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(pool_start(pool, threads, pin, &over), ENGINE_OK);
        for (uint32_t k = 0; k < threads; k++)
            wait_for(&over);
    }
    ck_assert_int_eq(trespasses, 0);
    sem_destroy(&over);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pool_places");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_thread_that_leaves_goes_on_with_what_it_starts);
    tcase_add_test(tests, a_thread_that_does_not_leave_has_others_do_all);
    tcase_add_test(tests, each_k_still_runs_once);
    tcase_add_test(tests, a_thread_that_leaves_may_run_where_the_pool_was_not_to);
    tcase_add_test(tests, where_all_processors_are_wanted_each_is_used);
    tcase_add_test(tests, a_moved_thread_is_set_free);
    tcase_add_test(tests, a_moved_thread_of_a_process_that_is_held_is_not);
    tcase_add_test(tests, fewer_threads_go_where_the_kernel_has_them_go);
    tcase_add_test(tests, no_thread_is_moved_where_it_may_not_run);
    return suite_run("pool_places", tests);
}
