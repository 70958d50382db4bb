/* A client of several servers: in turn, past one that does not serve, to another when one is lost. */
#include <stdio.h>
#include <string.h>

#include "fake.h"
#include "served.h"
#include "suite.h"

#include "compute.pb-c.h"
#include "server.pb-c.h"

#define COMPUTE "tilery.v1.TileCompute/Compute"
#define CANCEL "tilery.v1.TileCompute/Cancel"
#define CHECK "tilery.v1.Health/Check"
#define CALLS 40u

static struct fake_answer say_nothing(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)request;
    (void)number;
    return (struct fake_answer){.silent = true};
}

static struct fake_answer give(void *arg, const struct wire_request *request, unsigned number)
{
    (void)request;
    (void)number;
    return *(const struct fake_answer *)arg;
}

/* A client of the two; served.client may be one already. */
static tilery_client *connect_both(const char *one, const char *other, unsigned max_attempts)
{
    struct tilery_client_options options = {.connect_timeout_ms = 60000, .max_attempts = max_attempts};
    tilery_client *client;
    char urls[512];

    (void)snprintf(urls, sizeof urls, "%s,%s", one, other);
    options.server = urls;
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_OK);
    return client;
}

/* Returns when the fake has been asked for its health: the client is connected to it. */
static void wait_connected(tilery_client *client, const struct fake *fake)
{
    while (fake_checks(fake) == 0)
        check_status(tilery_health(client, NULL, &served.error), TILERY_OK);
}

/* The same, and the real server has done a computation: the fake refuses. */
static void wait_both_connected(tilery_client *client, const struct fake *fake)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);

    wait_connected(client, fake);
    while (served_compute(client, &small, 0, NULL) != TILERY_OK)
        continue;
}

START_TEST(calls_go_to_the_servers_in_turn)
{
    struct fake *fakes[] = {fake_start(COMPUTE, say_nothing, NULL), fake_start(COMPUTE, say_nothing, NULL)};
    unsigned before[2];

    served.client = connect_both(fake_url(fakes[0]), fake_url(fakes[1]), 0);
    for (size_t i = 0; i < 2; i++)
        wait_connected(served.client, fakes[i]);
    for (size_t i = 0; i < 2; i++)
        before[i] = fake_checks(fakes[i]);
    for (unsigned i = 0; i < CALLS; i++)
        check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    for (size_t i = 0; i < 2; i++)
        ck_assert_uint_eq(fake_checks(fakes[i]) - before[i], CALLS / 2);
    served_disconnect();
    for (size_t i = 0; i < 2; i++)
        fake_stop(fakes[i]);
}
END_TEST

/* Returns when so many calls in a row were answered. One that is not tried again may still meet the end of a
 * connection. */
static void call_on(tilery_client *client, unsigned calls, bool retried)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);

    for (unsigned answered = 0; answered < calls;) {
        enum tilery_status status = served_compute(client, &small, 0, NULL);

        if (retried || status != TILERY_UNAVAILABLE)
            check_status(status, TILERY_OK);
        answered = status == TILERY_OK ? answered + 1 : 0;
    }
}

/* Calls until the fake has one that it does not answer; then it is gone. */
static enum tilery_status lose_one(unsigned max_attempts)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake *fake = fake_start(COMPUTE, say_nothing, NULL);
    static struct ending endings[2];
    enum tilery_status one, other;
    tilery_client *client;

    served_start(TCP, 4, 8);
    client = connect_both(fake_url(fake), served.url, max_attempts);
    wait_connected(client, fake);
    served_wait_healthy(served.client);
    ending_of(&endings[0], client, &small, 0, NULL);
    ending_of(&endings[1], client, &small, 0, NULL);
    fake_wait(fake, 1);
    fake_stop(fake);
    one = ending_wait(&endings[0]);
    other = ending_wait(&endings[1]);
    call_on(client, CALLS, max_attempts != 1);
    tilery_client_close(client);
    return one != TILERY_OK ? one : other;
}

START_TEST(a_computation_whose_server_is_lost_is_done_by_another)
{
    ck_assert_int_eq(lose_one(0), TILERY_OK);
}
END_TEST

START_TEST(without_retries_it_is_unavailable)
{
    ck_assert_int_eq(lose_one(1), TILERY_UNAVAILABLE);
}
END_TEST

/* Whether it says so of a computation or of its health. */
START_TEST(a_server_that_drains_is_passed_over)
{
    static Tilery__V1__HealthCheckReply not_serving = TILERY__V1__HEALTH_CHECK_REPLY__INIT;
    const struct fake_answer answers[] = {
        {.status = WIRE_UNAVAILABLE, .message = "the server is shutting down"},
        {.payload = &not_serving.base}};
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake *fake = fake_start(_i == 0 ? COMPUTE : CHECK, give, (void *)(uintptr_t)&answers[_i]);
    tilery_client *client;

    not_serving.has_status = 1;
    not_serving.status = TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__NOT_SERVING;
    served_start(TCP, 4, 8);
    client = connect_both(fake_url(fake), served.url, 0);
    while (fake_requests(fake) == 0)
        if (_i == 0)
            check_status(served_compute(client, &small, 0, NULL), TILERY_OK);
        else
            (void)!tilery_health(client, NULL, NULL);
    for (unsigned i = 0; i < CALLS; i++)
        if (_i == 0)
            check_status(served_compute(client, &small, 0, NULL), TILERY_OK);
        else
            (void)!tilery_health(client, NULL, NULL);
    ck_assert_uint_lt(fake_requests(fake), CALLS / 3);
    tilery_client_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(a_server_that_says_nothing_is_passed_over)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake *fake = fake_start(COMPUTE, say_nothing, NULL);
    unsigned answered = 0;
    tilery_client *client;

    served_start(TCP, 4, 8);
    client = connect_both(fake_url(fake), served.url, 1);
    wait_connected(client, fake);
    while (served_compute(client, &small, 200, NULL) != TILERY_OK)
        continue;
    for (unsigned i = 0; i < CALLS; i++)
        answered += served_compute(client, &small, 200, NULL) == TILERY_OK;
    ck_assert_uint_lt(fake_requests(fake), CALLS / 3);
    ck_assert_uint_gt(answered, CALLS / 2);
    tilery_client_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(where_all_drain_their_word_comes_back)
{
    const struct fake_answer draining = {.status = WIRE_UNAVAILABLE,
                                         .message = "the server is shutting down"};
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake *one = fake_start(COMPUTE, give, (void *)(uintptr_t)&draining);
    struct fake *other = fake_start(COMPUTE, give, (void *)(uintptr_t)&draining);

    served.client = connect_both(fake_url(one), fake_url(other), 0);
    wait_connected(served.client, one);
    wait_connected(served.client, other);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_UNAVAILABLE);
    ck_assert_str_eq(served.error.message, draining.message);
    ck_assert_uint_eq(fake_requests(one) + fake_requests(other), 5);
    served_disconnect();
    fake_stop(one);
    fake_stop(other);
}
END_TEST

/* A busy server's queue is full for a while; another one does it at once. */
START_TEST(what_one_server_is_too_busy_for_another_does_at_once)
{
    const struct fake_answer busy = {
        .status = WIRE_RESOURCE_EXHAUSTED, .message = "busy", .retry_after_ms = 9000};
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake *fake = fake_start(COMPUTE, give, (void *)(uintptr_t)&busy);
    tilery_client *client;

    served_start(TCP, 4, 8);
    client = connect_both(fake_url(fake), served.url, 0);
    wait_connected(client, fake);
    while (served_compute(client, &small, 8000, NULL) != TILERY_OK) /* until it is connected to both */
        continue;
    for (unsigned i = 0; i < CALLS; i++) /* a single pause of 9 s each would be too long */
        check_status(served_compute(client, &small, 8000, NULL), TILERY_OK);
    ck_assert_uint_ge(fake_requests(fake), CALLS / 3);
    tilery_client_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(one_server_that_is_there_is_enough)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    tilery_client *client;

    served_start(TCP, 4, 8);
    client = connect_both("tcp://127.0.0.1:1", served.url, 0);
    for (unsigned i = 0; i < CALLS; i++)
        check_status(served_compute(client, &small, 0, NULL), TILERY_OK);
    tilery_client_close(client);
}
END_TEST

START_TEST(where_none_is_there_calls_are_unavailable_at_once)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);

    served.client = connect_both("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", 0);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_UNAVAILABLE);
    ck_assert_str_eq(served.error.message,
                     "no server at tcp://127.0.0.1:1,tcp://127.0.0.1:2: Connection refused");
}
END_TEST

/* Wherever it runs, and though one of the servers never answers. */
START_TEST(a_run_is_cancelled_by_its_id_wherever_it_is)
{
    const struct tilery_compute_request endless = served_endless();
    struct fake *mute = fake_start(CANCEL, say_nothing, NULL);
    static struct ending running;
    tilery_client *client;
    bool found;

    served_start(TCP, 1, 8);
    client =
        _i == 0 ? connect_both(fake_url(mute), served.url, 0) : connect_both(served.url, fake_url(mute), 0);
    wait_both_connected(client, mute);
    ending_of(&running, served.client, &endless, 0, "mine");
    served_wait_busy(served.client);
    do
        check_status(tilery_cancel(client, "mine", NULL, &found, &served.error), TILERY_OK);
    while (!found);
    ck_assert_int_eq(ending_wait(&running), TILERY_CANCELLED);
    fake_wait(mute, 1); /* the other one may have answered first */
    tilery_client_close(client);
    fake_stop(mute);
}
END_TEST

START_TEST(what_no_server_knows_is_not_found)
{
    const struct tilery_call_options soon = {.timeout_ms = 200};
    struct fake *other = fake_start(CANCEL, say_nothing, NULL), *mute;
    tilery_client *client;
    bool found;

    served_start(TCP, 1, 8);
    client = connect_both(fake_url(other), served.url, 0);
    wait_both_connected(client, other);
    check_status(tilery_cancel(client, "nobody's", &soon, &found, &served.error), TILERY_OK);
    ck_assert(!found);
    tilery_client_close(client);
    mute = fake_start(CANCEL, say_nothing, NULL);
    client = connect_both(fake_url(other), fake_url(mute), 0);
    wait_connected(client, mute);
    check_status(tilery_cancel(client, "nobody's", &soon, &found, &served.error), TILERY_DEADLINE_EXCEEDED);
    tilery_client_close(client);
    fake_stop(other);
    fake_stop(mute);
}
END_TEST

static const char *const bad_lists[] = {"",
                                        ",",
                                        "tcp://127.0.0.1:1,",
                                        ",tcp://127.0.0.1:1",
                                        "tcp://127.0.0.1:1, tcp://127.0.0.1:2",
                                        "tcp://127.0.0.1:1,\x1b[2J"};

START_TEST(a_list_with_an_address_that_is_none_is_refused)
{
    const struct tilery_client_options options = {.server = bad_lists[_i]};
    tilery_client *client;

    check_status(tilery_client_open(&options, &client, &served.error), TILERY_INVALID_ARGUMENT);
    ck_assert_ptr_null(client);
    ck_assert_ptr_nonnull(strstr(served.error.message, "server is \""));
    ck_assert_ptr_null(strchr(served.error.message, '\x1b'));
}
END_TEST

START_TEST(more_addresses_or_attempts_than_there_may_be_are_refused)
{
    struct tilery_client_options options = {.max_attempts = 101};
    char urls[65 * 20] = "inproc://0";
    tilery_client *client;

    check_status(tilery_client_open(&options, &client, &served.error), TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(served.error.message, "max_attempts is 101; it must be from 1 to 100");
    for (int i = 1; i < 64; i++)
        (void)snprintf(urls + strlen(urls), sizeof urls - strlen(urls), ",inproc://%d", i);
    options = (struct tilery_client_options){.server = urls};
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_OK);
    tilery_client_close(client);
    (void)snprintf(urls + strlen(urls), sizeof urls - strlen(urls), ",inproc://64");
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(served.error.message, "server names more than 64 addresses");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("servers");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, calls_go_to_the_servers_in_turn);
    tcase_add_test(tests, a_computation_whose_server_is_lost_is_done_by_another);
    tcase_add_test(tests, without_retries_it_is_unavailable);
    tcase_add_loop_test(tests, a_server_that_drains_is_passed_over, 0, 2);
    tcase_add_test(tests, a_server_that_says_nothing_is_passed_over);
    tcase_add_test(tests, where_all_drain_their_word_comes_back);
    tcase_add_test(tests, what_one_server_is_too_busy_for_another_does_at_once);
    tcase_add_test(tests, one_server_that_is_there_is_enough);
    tcase_add_test(tests, where_none_is_there_calls_are_unavailable_at_once);
    tcase_add_loop_test(tests, a_run_is_cancelled_by_its_id_wherever_it_is, 0, 2);
    tcase_add_test(tests, what_no_server_knows_is_not_found);
    tcase_add_loop_test(tests, a_list_with_an_address_that_is_none_is_refused, 0,
                        sizeof bad_lists / sizeof *bad_lists);
    tcase_add_test(tests, more_addresses_or_attempts_than_there_may_be_are_refused);
    return suite_run("servers", tests);
}
