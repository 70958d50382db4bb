/* Streams whose time is up: the server is told of it, and stops their runs, whether anybody reads them or
 * not. */
#include <string.h>
#include <time.h>

#include "fake.h"
#include "raw.h"
#include "served.h"
#include "suite.h"

#define SHORT_MS 200
/* Longer than a move may take. */
#define LONG_MS UINT64_C(600000)

static struct raw client;

static void start(void)
{
    served_start(TCP, 1, 8);
    raw_open(&client, served.url);
    client.open_timeout_ms = SHORT_MS;
}

static enum wire_status ask(const char *id)
{
    return raw_next(&client, (struct raw_poll){id, 0, 0, 0});
}

START_TEST(a_run_that_nobody_reads_is_stopped_within_a_tile)
{
    start();
    raw_open_endless(&client, "endless");
    served_check_free(1);
    ck_assert_int_eq(ask("endless"), WIRE_DEADLINE_EXCEEDED);
    ck_assert_int_eq(ask("endless"), WIRE_DEADLINE_EXCEEDED);
    ck_assert(raw_cancel(&client, "endless"));
    ck_assert_int_eq(ask("endless"), WIRE_NOT_FOUND);
    ck_assert_uint_eq(served_stats().dropped_expired, 0);
    raw_close(&client);
}
END_TEST

START_TEST(a_run_that_waits_for_its_reader_is_stopped)
{
    const Tilery__V1__ComputeRequest wide = raw_request(8192, 8192, 256, 1);

    start();
    ck_assert_int_eq(raw_open_stream(&client, &wide, "full"), WIRE_OK);
    served_check_free(1);
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"full", 0, 1 << 20, 5000}), WIRE_DEADLINE_EXCEEDED);
    raw_close(&client);
}
END_TEST

START_TEST(a_run_that_waits_for_threads_is_dropped)
{
    start();
    client.open_timeout_ms = 0;
    raw_open_endless(&client, "ahead");
    client.open_timeout_ms = SHORT_MS;
    raw_open_endless(&client, "queued");
    while (ask("queued") == WIRE_OK)
        continue;
    ck_assert_int_eq(client.head.status, WIRE_DEADLINE_EXCEEDED);
    ck_assert_int_eq(ask("ahead"), WIRE_OK);
    while (served_stats().dropped_expired != 1)
        continue;
    ck_assert(raw_cancel(&client, "ahead"));
    raw_close(&client);
}
END_TEST

START_TEST(a_reader_that_waits_is_told)
{
    start();
    raw_open_endless(&client, "endless");
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"endless", 0, 1 << 20, 5000}),
                     WIRE_DEADLINE_EXCEEDED);
    raw_close(&client);
}
END_TEST

START_TEST(what_a_run_gave_in_time_can_be_read_when_it_is_up)
{
    const Tilery__V1__ComputeRequest small = raw_request(8, 8, 8, 1);

    start();
    client.open_timeout_ms = 2000;
    ck_assert_int_eq(raw_open_stream(&client, &small, "small"), WIRE_OK);
    (void)nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 100000000}, NULL);
    ck_assert_int_eq(raw_next(&client, (struct raw_poll){"small", 0, 1 << 20, 0}), WIRE_OK);
    ck_assert_uint_eq(raw_tiles(&client)->n_tiles, 1);
    ck_assert(raw_tiles(&client)->done);
    raw_close(&client);
}
END_TEST

/* ---- The client, by the answers of a server ---- */

struct opens {
    unsigned count, polls;
    uint64_t timeout_ms[2]; /* 0: none */
};

static bool is(const struct wire_request *request, const char *method)
{
    return strcmp(strchr(request->method, '/') + 1, method) == 0;
}

static struct fake_answer opened(struct opens *opens, const struct wire_request *request)
{
    opens->timeout_ms[opens->count++ % 2] = request->has_timeout ? request->timeout_ms : 0;
    return fake_opened(NULL, 2, 60000);
}

static struct fake_answer overdue(void *arg, const struct wire_request *request, unsigned number)
{
    (void)number;
    if (is(request, "OpenStream"))
        return opened(arg, request);
    return (struct fake_answer){.status = WIRE_DEADLINE_EXCEEDED, .message = "the stream's time was up"};
}

/* Loses the first run, as one does that is started again. */
static struct fake_answer forgetful(void *arg, const struct wire_request *request, unsigned number)
{
    struct opens *opens = arg;

    if (!is(request, "NextTiles") || opens->count == 2)
        return overdue(arg, request, number);
    return opens->polls++ == 0 ? (struct fake_answer){.cut = true}
                               : (struct fake_answer){.status = WIRE_NOT_FOUND, .message = "it is new here"};
}

static enum tilery_status read_one(fake_answer_fn *answer, struct opens *opens, uint64_t timeout_ms)
{
    const struct tilery_compute_request two_tiles = served_request(8, 4, 4, 4, 1);
    const struct tilery_call_options options = {.timeout_ms = timeout_ms};
    struct fake *fake = fake_start(NULL, answer, opens);
    const struct tilery_tile *tile;
    enum tilery_status status;
    tilery_stream *stream;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_stream_open(served.client, &two_tiles, &options, &stream, &served.error), TILERY_OK);
    status = tilery_stream_next(stream, &tile, &served.error);
    tilery_stream_close(stream);
    served_disconnect();
    fake_stop(fake);
    return status;
}

START_TEST(a_client_without_a_deadline_takes_the_server_s_for_the_end)
{
    struct opens opens = {0};

    check_status(read_one(overdue, &opens, 0), TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(opens.count, 1);
    ck_assert_uint_eq(opens.timeout_ms[0], 0);
}
END_TEST

/* It has less than the first by the time that has gone by, and not the little that a move may take. */
START_TEST(what_is_begun_anew_has_what_is_left_of_the_stream_s_time)
{
    struct opens opens = {0};

    check_status(read_one(forgetful, &opens, LONG_MS), TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(opens.count, 2);
    ck_assert_uint_le(opens.timeout_ms[0], LONG_MS);
    ck_assert_uint_lt(opens.timeout_ms[1], opens.timeout_ms[0]);
    ck_assert_uint_gt(opens.timeout_ms[1], LONG_MS / 2);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("overdue");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_run_that_nobody_reads_is_stopped_within_a_tile);
    tcase_add_test(tests, a_run_that_waits_for_its_reader_is_stopped);
    tcase_add_test(tests, a_run_that_waits_for_threads_is_dropped);
    tcase_add_test(tests, a_reader_that_waits_is_told);
    tcase_add_test(tests, what_a_run_gave_in_time_can_be_read_when_it_is_up);
    tcase_add_test(tests, a_client_without_a_deadline_takes_the_server_s_for_the_end);
    tcase_add_test(tests, what_is_begun_anew_has_what_is_left_of_the_stream_s_time);
    return suite_run("overdue", tests);
}
