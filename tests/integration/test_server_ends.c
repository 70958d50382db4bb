/* Servers that stop, drain or come back while they have clients. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <nng/nng.h>

#include "engine/clock.h"
#include "picture.h"
#include "raw.h"
#include "served.h"
#include "suite.h"

/*
 * A server that ends closes its connections at any point of a message. nng before 1.6 can block for good over
 * that with TLS, where a message is written in two steps: about one time in forty on a machine that is four
 * times too busy. tileryd's watchdog ends such a process; here, where client and server share nng's threads,
 * there is nothing to be learnt from it.
 */
#if NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION < 6
#define ENDED TRANSPORTS
#else
#define ENDED WITH_TLS
#endif

#define ROUNDS 30

/* A call that meets the end of its connection waits for the next one: not for long. */
static void use_impatient_client(void)
{
    const struct tilery_client_options options = served_client_options(served.url, 500);

    tilery_client_close(served.client);
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
}

START_TEST(stopping_the_server_ends_the_calls_in_hand_as_unavailable)
{
    const struct tilery_compute_request endless = served_endless();
    static struct ending running, queued;

    served_start(_i, 1, 8);
    use_impatient_client();
    ending_of(&running, served.client, &endless, 0, NULL);
    ending_of(&queued, served.client, &endless, 0, NULL);
    served_wait_busy(served.client);
    served_halt();
    ck_assert_int_eq(ending_wait(&running), TILERY_UNAVAILABLE);
    ck_assert_int_eq(ending_wait(&queued), TILERY_UNAVAILABLE);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_UNAVAILABLE);
}
END_TEST

START_TEST(a_client_recovers_when_its_server_is_back)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);

    served_start(_i, 1, 8);
    use_impatient_client();
    for (int round = 0; round < 3; round++) {
        check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
        served_halt();
        check_status(served_compute(served.client, &small, 0, NULL), TILERY_UNAVAILABLE);
        served_again();
        served_wait_healthy(served.client);
    }
}
END_TEST

static uint64_t time_to_stop_ns(void)
{
    uint64_t begin = clock_now_ns();

    served_halt();
    return clock_now_ns() - begin;
}

START_TEST(a_server_whose_replies_are_read_stops_without_lingering)
{
    uint64_t least = UINT64_MAX;

    served_start(_i, 1, 8);
    for (int round = 0; round < 3; round++) {
        uint64_t took;

        served_wait_healthy(served.client);
        took = time_to_stop_ns();
        least = took < least ? took : least;
        served_again();
    }
    ck_assert_uint_lt(least / 1000000, 1500);
}
END_TEST

START_TEST(a_busy_client_lets_its_server_stop_and_finds_it_again)
{
    static struct callers callers;

    served_start(_i, 1, 8);
    use_impatient_client();
    for (int round = 0; round < (_i == INPROC ? 3 : ROUNDS); round++) {
        callers_start(&callers, served.client);
        served_halt();
        callers_wait(&callers);
        served_again();
        served_wait_healthy(served.client);
    }
}
END_TEST

struct drained {
    tilery_stream *occupant, *queued;
    struct tilery_compute_request request; /* of the queued one */
};

static void *use_while_draining(void *arg)
{
    struct drained *drained = arg;
    struct picture picture = picture_of(&drained->request);

    while (tilery_health(served.client, NULL, &served.error) == TILERY_OK)
        sched_yield();
    ck_assert_int_eq(served.error.status, TILERY_UNAVAILABLE);
    check_status(served_compute(served.client, &drained->request, 0, NULL), TILERY_UNAVAILABLE);
    ck_assert_str_eq(served.error.message, "the server is shutting down");
    tilery_stream_close(drained->occupant);
    check_status(picture_read(&picture, drained->queued), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    picture_free(&picture);
    return NULL;
}

START_TEST(a_server_that_drains_takes_no_new_work_and_finishes_the_old)
{
    const struct tilery_compute_request endless = served_endless();
    struct drained drained = {.request = served_request(100, 70, 32, 32, 1)};
    pthread_t thread;

    served_start(_i, 1, 8);
    drained.occupant = served_stream(&endless, NULL);
    drained.queued = served_stream(&drained.request, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_while_draining, &drained), 0);
    daemon_drain(served.daemon, 600000);
    pthread_join(thread, NULL);
    tilery_stream_close(drained.queued);
}
END_TEST

static void *drain(void *arg)
{
    (void)arg;
    daemon_drain(served.daemon, 600000);
    return NULL;
}

/* The poll waits longer than the lease of a server that drains, 2 s. */
START_TEST(a_reader_that_waits_keeps_its_stream_while_the_server_drains)
{
    pthread_t thread;
    struct raw raw;

    served_start(_i, 1, 8);
    raw_open(&raw, served.url);
    raw_open_endless(&raw, "endless");
    raw_start_next(&raw, (struct raw_poll){"endless", 0, 1000, 4000});
    ck_assert_int_eq(pthread_create(&thread, NULL, drain, NULL), 0);
    ck_assert_int_eq(raw_end_next(&raw), WIRE_OK);
    ck_assert_int_eq(raw_next(&raw, (struct raw_poll){"endless", 0, 1000, 0}), WIRE_OK);
    pthread_join(thread, NULL);
    raw_close(&raw);
}
END_TEST

/* The thread that sent the reply may not be done with sending it. */
START_TEST(a_server_may_stop_as_soon_as_its_last_reply_is_there)
{
    struct tilery_compute_request request = served_request(64, 64, 8, 8, 2);

    request.region = served_endless().region;
    request.max_iter = 2000; /* long enough for the threads to have used up their share of the processor */
    for (int round = 0; round < ROUNDS; round++) {
        served_start(_i, 2, 8);
        check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK);
        served_end();
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("server ends");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, stopping_the_server_ends_the_calls_in_hand_as_unavailable, 0, ENDED);
    tcase_add_loop_test(tests, a_client_recovers_when_its_server_is_back, 0, ENDED);
    tcase_add_loop_test(tests, a_server_whose_replies_are_read_stops_without_lingering, 0, ENDED);
    tcase_add_loop_test(tests, a_busy_client_lets_its_server_stop_and_finds_it_again, 0, 1);
    tcase_add_loop_test(tests, a_server_that_drains_takes_no_new_work_and_finishes_the_old, 0, ENDED);
    tcase_add_loop_test(tests, a_reader_that_waits_keeps_its_stream_while_the_server_drains, 0, 1);
    tcase_add_loop_test(tests, a_server_may_stop_as_soon_as_its_last_reply_is_there, 0, ENDED);
    return suite_run("server ends", tests);
}
