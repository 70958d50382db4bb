/* Leases, where the server stands still, as in a machine that is paused, or that others starve, where a reply
 * takes long, and where the server drains. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "raw.h"
#include "service/internal.h"
#include "service/window.h"
#include "served.h"
#include "suite.h"

#define LEASE_NS INT64_C(10000000000)
#define DRAIN_LEASE_NS INT64_C(2000000000)
#define STILL_NS 300000000

int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);

static atomic_bool looks, stands_still, serves_slowly;
static pthread_cond_t *_Atomic leases; /* what the thread that ends leases waits for; NULL: not known yet */
static _Atomic int64_t shortest_ns;    /* for which that has been waited for */
static atomic_uint late;               /* how often it was woken too late */

static int64_t left_ns(const struct timespec *until)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (until->tv_sec - now.tv_sec > INT64_MAX / INT64_C(2000000000)) /* for ever */
        return INT64_MAX;
    return (until->tv_sec - now.tv_sec) * INT64_C(1000000000) + until->tv_nsec - now.tv_nsec;
}

static void look_at(pthread_cond_t *condition, int64_t ns)
{
    if (atomic_load(&leases) == NULL && ns > LEASE_NS * 8 / 10 && ns <= LEASE_NS)
        atomic_store(&leases, condition);
    if (condition == atomic_load(&leases) && ns > 0 && ns < atomic_load(&shortest_ns))
        atomic_store(&shortest_ns, ns);
}

static void begin_to_look(void)
{
    atomic_store(&leases, NULL);
    atomic_store(&looks, true);
}

/* Lets the thread be late, as if the process had been stopped. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    int result = 0;

    if (atomic_load(&looks))
        look_at(condition, left_ns(until));
    result = __real_pthread_cond_timedwait(condition, mutex, until);
    if (result != ETIMEDOUT || !atomic_load(&stands_still) || condition != atomic_load(&leases))
        return result;
    pthread_mutex_unlock(mutex);
    (void)nanosleep(&(struct timespec){.tv_nsec = STILL_NS}, NULL);
    pthread_mutex_lock(mutex);
    atomic_fetch_add(&late, 1);
    return result;
}

void __real_service_reply_tiles(struct rpc_call *call, const struct run *run,
                                const struct window_batch *batch);
void __wrap_service_reply_tiles(struct rpc_call *call, const struct run *run,
                                const struct window_batch *batch);

void __wrap_service_reply_tiles(struct rpc_call *call, const struct run *run,
                                const struct window_batch *batch)
{
    if (atomic_load(&serves_slowly))
        (void)nanosleep(&(struct timespec){.tv_sec = LEASE_NS / 1000000000 + 1}, NULL);
    __real_service_reply_tiles(call, run, batch);
}

/* Takes the lease's ten seconds, three times. */
START_TEST(a_lease_that_runs_out_while_the_server_stands_still_is_given_once_more)
{
    const Tilery__V1__ComputeRequest request = raw_request(8, 8, 8, 1);
    static struct raw client;

    begin_to_look();
    atomic_store(&stands_still, true);
    served_start(INPROC, 2, 8);
    raw_open(&client, served.url);
    ck_assert_int_eq(raw_open_stream(&client, &request, "asked"), WIRE_OK);
    ck_assert_int_eq(raw_open_stream(&client, &request, "forgotten"), WIRE_OK);
    while (atomic_load(&late) == 0)
        served_pause();
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"asked", 0, 0, 0}), WIRE_OK);
    while (served_streams() != 0)
        served_pause();
    atomic_store(&stands_still, false);
    raw_close(&client);
}
END_TEST

/* Takes four seconds. */
START_TEST(the_short_lease_of_a_stream_that_nobody_may_know_of_is_given_once_more_as_short)
{
    const Tilery__V1__ComputeRequest request = raw_request(8, 8, 8, 1);
    static struct raw client, lost;

    begin_to_look();
    atomic_store(&stands_still, true);
    served_start(TCP, 2, 8);
    raw_open(&client, served.url);
    raw_open(&lost, served.url);
    ck_assert_int_eq(raw_open_stream(&client, &request, "kept"), WIRE_OK);
    ck_assert_int_eq(raw_open_stream(&lost, &request, "unknown"), WIRE_OK);
    while (atomic_load(&leases) == NULL)
        served_pause();
    raw_close(&lost);
    while (atomic_load(&late) == 0)
        served_pause();
    atomic_store(&stands_still, false);
    while (served_streams() != 1)
        served_pause();
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"kept", 0, 0, 0}), WIRE_OK);
    raw_close(&client);
}
END_TEST

START_TEST(the_lease_does_not_run_while_a_call_is_being_answered)
{
    const Tilery__V1__ComputeRequest request = raw_request(8, 8, 8, 1);
    static struct raw client;

    served_start(INPROC, 2, 8);
    raw_open(&client, served.url);
    ck_assert_int_eq(raw_open_stream(&client, &request, "slow"), WIRE_OK);
    atomic_store(&serves_slowly, true);
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"slow", 0, 1, 5000}), WIRE_OK);
    atomic_store(&serves_slowly, false);
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"slow", 0, 0, 0}), WIRE_OK);
    raw_close(&client);
}
END_TEST

START_TEST(a_large_reply_may_be_long_on_its_way)
{
    const Tilery__V1__ComputeRequest large = raw_request(4096, 4096, 4096, 1),
                                     small = raw_request(8, 8, 8, 1);
    static struct raw client;

    served_start(INPROC, 2, 8);
    raw_open(&client, served.url);
    ck_assert_int_eq(raw_open_stream(&client, &large, "large"), WIRE_OK);
    do
        ck_assert_int_eq(raw_next(&client, (struct raw_poll){"large", 0, UINT64_MAX, 5000}), WIRE_OK);
    while (raw_tiles(&client)->n_tiles == 0);
    ck_assert_int_eq(raw_open_stream(&client, &small, "small"), WIRE_OK);
    while (served_streams() != 1)
        served_pause();
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"large", 0, 0, 0}), WIRE_OK);
    raw_close(&client);
}
END_TEST

START_TEST(a_stream_whose_reader_is_gone_does_not_hold_up_a_drain_for_its_whole_lease)
{
    static struct raw client;

    begin_to_look();
    served_start(INPROC, 1, 8);
    raw_open(&client, served.url);
    raw_open_endless(&client, "endless");
    while (atomic_load(&leases) == NULL)
        served_pause();
    atomic_store(&shortest_ns, INT64_MAX);
    daemon_drain(served.daemon, 600000);
    ck_assert_int_le(shortest_ns, DRAIN_LEASE_NS);
    raw_close(&client);
}
END_TEST

static void *drain(void *arg)
{
    (void)arg;
    daemon_drain(served.daemon, 600000);
    return NULL;
}

START_TEST(a_large_reply_may_be_on_its_way_while_the_server_drains)
{
    const Tilery__V1__ComputeRequest large = raw_request(4096, 4096, 4096, 1);
    static struct raw client;
    pthread_t thread;

    begin_to_look();
    served_start(INPROC, 2, 8);
    raw_open(&client, served.url);
    ck_assert_int_eq(raw_open_stream(&client, &large, "large"), WIRE_OK);
    while (atomic_load(&leases) == NULL)
        served_pause();
    do
        ck_assert_int_eq(raw_next(&client, (struct raw_poll){"large", 0, UINT64_MAX, 5000}), WIRE_OK);
    while (raw_tiles(&client)->n_tiles == 0);
    atomic_store(&shortest_ns, INT64_MAX);
    ck_assert_int_eq(pthread_create(&thread, NULL, drain, NULL), 0);
    while (atomic_load(&shortest_ns) == INT64_MAX)
        served_pause();
    ck_assert_int_gt(atomic_load(&shortest_ns), 2 * DRAIN_LEASE_NS);
    ck_assert(raw_cancel(&client, "large"));
    pthread_join(thread, NULL);
    raw_close(&client);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("leases");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_lease_that_runs_out_while_the_server_stands_still_is_given_once_more);
    tcase_add_test(tests, the_short_lease_of_a_stream_that_nobody_may_know_of_is_given_once_more_as_short);
    tcase_add_test(tests, the_lease_does_not_run_while_a_call_is_being_answered);
    tcase_add_test(tests, a_stream_whose_reader_is_gone_does_not_hold_up_a_drain_for_its_whole_lease);
    tcase_add_test(tests, a_large_reply_may_be_long_on_its_way);
    tcase_add_test(tests, a_large_reply_may_be_on_its_way_while_the_server_drains);
    return suite_run("leases", tests);
}
