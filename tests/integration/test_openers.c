/* Streams whose opener's connection was lost before anybody asked for a tile: with the reply, or after it;
 * and of openers that get no reply. */
#include <sched.h>
#include <stdatomic.h>

#include "fake.h"
#include "picture.h"
#include "proxy.h"
#include "raw.h"
#include "served.h"
#include "suite.h"
#include "wire/counts.h"

#define MIB (UINT64_C(1) << 20)

static struct raw lost, other;

static void set_up_clients(int transport)
{
    served_start(transport, 4, 8);
    raw_open(&lost, served.url);
    raw_open(&other, served.url);
}

static void tear_down(void)
{
    raw_close(&other);
    served_end();
}

/* The server may not have noticed yet. */
static enum wire_status open_until_free(const Tilery__V1__ComputeRequest *request, const char *id)
{
    enum wire_status status;

    while ((status = raw_open_stream(&other, request, id)) == WIRE_ALREADY_EXISTS)
        sched_yield();
    return status;
}

START_TEST(the_same_request_sent_again_gets_the_very_stream)
{
    const Tilery__V1__ComputeRequest request = raw_request(100, 70, 32, 50);
    struct raw_poll poll = {"mine", 0, MIB, 5000};

    set_up_clients(_i);
    ck_assert_int_eq(raw_open_stream(&lost, &request, "mine"), WIRE_OK);
    raw_close(&lost);
    ck_assert_int_eq(open_until_free(&request, "mine"), WIRE_OK);
    ck_assert_str_eq(raw_opened(&other)->stream_id, "mine");
    ck_assert_uint_eq(raw_opened(&other)->tiles_planned, 12);
    do {
        ck_assert_int_eq(raw_next(&other, poll), WIRE_OK);
        poll.cursor = raw_tiles(&other)->next_cursor;
    } while (!raw_tiles(&other)->done);
    ck_assert_uint_eq(poll.cursor, 12);
    ck_assert_uint_eq(served_stats().tiles, 12); /* computed once */
}
END_TEST

START_TEST(another_request_of_that_name_is_refused_and_so_is_the_same_once_it_is_read)
{
    const Tilery__V1__ComputeRequest request = raw_request(100, 70, 32, 50);
    Tilery__V1__ComputeRequest another = request;

    set_up_clients(_i);
    another.max_iter = 51;
    ck_assert_int_eq(raw_open_stream(&lost, &request, "mine"), WIRE_OK);
    ck_assert_int_eq(raw_open_stream(&other, &request, "mine"),
                     WIRE_ALREADY_EXISTS); /* its opener is there */
    ck_assert_int_eq(raw_next(&lost, (struct raw_poll){"mine", 0, 0, 0}), WIRE_OK);
    raw_close(&lost);
    served_wait_healthy(served.client);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(raw_open_stream(&other, &request, "mine"), WIRE_ALREADY_EXISTS);
        ck_assert_int_eq(raw_open_stream(&other, &another, "mine"), WIRE_ALREADY_EXISTS);
    }
}
END_TEST

START_TEST(a_stream_is_not_given_to_who_reads_other_encodings)
{
    const Tilery__V1__ComputeRequest request = raw_request(100, 70, 32, 50);

    set_up_clients(_i);
    lost.accept[0] = WIRE_UINT8;
    lost.accepts = 1;
    ck_assert_int_eq(raw_open_stream(&lost, &request, "mine"), WIRE_OK);
    raw_close(&lost);
    served_wait_healthy(served.client);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(raw_open_stream(&other, &request, "mine"), WIRE_ALREADY_EXISTS);
    other.accept[0] = lost.accept[0];
    other.accepts = 1;
    ck_assert_int_eq(open_until_free(&request, "mine"), WIRE_OK);
}
END_TEST

/* Takes two seconds; a lease has ten. */
START_TEST(a_stream_that_nobody_may_know_of_ends_before_its_lease)
{
    set_up_clients(_i);
    raw_open_endless(&other, "kept");
    raw_open_endless(&lost, "unknown");
    raw_close(&lost);
    while (served_stats().streams == 2)
        served_pause();
    ck_assert_int_eq(raw_next(&other, (struct raw_poll){"unknown", 0, 0, 0}), WIRE_NOT_FOUND);
    ck_assert_int_eq(raw_next(&other, (struct raw_poll){"kept", 0, 0, 0}), WIRE_OK);
    ck_assert(raw_cancel(&other, "kept"));
}
END_TEST

START_TEST(a_client_whose_first_reply_is_lost_opens_its_stream_again)
{
    const struct tilery_compute_request request = served_request(512, 512, 64, 64, 2);
    const struct tilery_call_options options = {.request_id = _i != 0 ? "mine" : NULL};
    struct picture picture = picture_of(&request);
    struct proxy *proxy;
    tilery_client *client;
    tilery_stream *stream;

    set_up_clients(TCP);
    raw_close(&lost);
    proxy = proxy_start(served.url, PROXY_BEFORE_THE_FIRST_REPLY);
    client = served_connect(proxy_url(proxy));
    check_status(tilery_stream_open(client, &request, &options, &stream, &served.error), TILERY_OK);
    ck_assert_uint_eq(proxy_count(proxy), 1);
    ck_assert_uint_eq(served_stats().streams, 1);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    tilery_stream_close(stream);
    tilery_client_close(client);
    proxy_stop(proxy);
    picture_free(&picture);
}
END_TEST

/* The run itself is given no time. */
static struct fake_answer hear(void *arg, const struct wire_request *request, unsigned number)
{
    atomic_bool *limited = arg;

    (void)number;
    *limited = request->has_timeout;
    return (struct fake_answer){.silent = true};
}

START_TEST(an_opening_that_is_not_answered_is_given_up_in_its_own_time)
{
    const struct tilery_compute_request request = served_request(64, 64, 64, 64, 1);
    const struct tilery_call_options options = {.open_timeout_ms = 1000,
                                                .timeout_ms = _i != 0 ? UINT64_C(600000) : 0};
    atomic_bool limited = false;
    struct tilery_error error;
    tilery_client *client;
    tilery_stream *stream;
    struct fake *fake;

    set_up_clients(TCP); /* as tear_down expects */
    raw_close(&lost);
    fake = fake_start("tilery.v1.TileCompute/OpenStream", hear, &limited);
    client = served_connect(fake_url(fake));
    ck_assert_int_eq(tilery_stream_open(client, &request, &options, &stream, &error),
                     TILERY_DEADLINE_EXCEEDED);
    ck_assert_ptr_null(stream);
    fake_wait(fake, 1);
    ck_assert(limited == (_i != 0));
    tilery_client_close(client);
    fake_stop(fake);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("openers");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_same_request_sent_again_gets_the_very_stream, 0, TRANSPORTS);
    tcase_add_loop_test(tests, another_request_of_that_name_is_refused_and_so_is_the_same_once_it_is_read, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_is_not_given_to_who_reads_other_encodings, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_that_nobody_may_know_of_ends_before_its_lease, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_client_whose_first_reply_is_lost_opens_its_stream_again, 0, 2);
    tcase_add_loop_test(tests, an_opening_that_is_not_answered_is_given_up_in_its_own_time, 0, 2);
    return suite_run("openers", tests);
}
