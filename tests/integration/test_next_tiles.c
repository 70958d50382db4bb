/* OpenStream and NextTiles as they are on the wire, and what proto/README.md promises of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"
#include "served.h"
#include "service/window.h"
#include "suite.h"
#include "wire/clock.h"
#include "wire/limits.h"

#define MIB (UINT64_C(1) << 20)
#define MAX_STREAMS 256

static struct raw one, other;

static void set_up_clients(int transport, uint32_t max_threads)
{
    served_start(transport, max_threads, 2 * MAX_STREAMS);
    raw_open(&one, served.url);
    raw_open(&other, served.url);
}

static void tear_down(void)
{
    raw_close(&one);
    raw_close(&other);
    served_end();
}

/* 12 tiles, in task order as there is one thread. */
static void open_small(const char *id)
{
    const Tilery__V1__ComputeRequest request = raw_request(100, 70, 32, 50);

    ck_assert_int_eq(raw_open_stream(&one, &request, id), WIRE_OK);
    ck_assert_uint_eq(raw_opened(&one)->tiles_planned, 12);
}

/* The run of open_small has ended: its last tile has come. */
static void wait_for_position(const char *id, uint64_t position)
{
    char wanted[32];

    (void)snprintf(wanted, sizeof wanted, " to %u", (unsigned)position);
    for (;;) {
        ck_assert_int_eq(raw_next(&one, (struct raw_poll){id, UINT64_MAX, MIB, 0}), WIRE_INVALID_ARGUMENT);
        if (strstr(one.head.message, wanted) != NULL)
            return;
        served_pause();
    }
}

/* The end comes a moment after the last tile. */
static void next_until_done(struct raw_poll poll)
{
    do
        ck_assert_int_eq(raw_next(&one, poll), WIRE_OK);
    while (!raw_tiles(&one)->done);
}

static void check_batch(const struct raw *raw, uint64_t first, uint64_t count, bool done)
{
    const Tilery__V1__NextTilesReply *reply = raw_tiles(raw);

    ck_assert_uint_eq(reply->n_tiles, count);
    for (uint64_t i = 0; i < count; i++)
        ck_assert_uint_eq(reply->tiles[i]->task_id, first + i);
    ck_assert_uint_eq(reply->next_cursor, first + count);
    ck_assert_int_eq(reply->done, done);
    ck_assert_int_eq(reply->summary != NULL, done);
}

START_TEST(open_stream_tells_the_stream_s_id_its_tiles_and_its_lease)
{
    set_up_clients(_i, 4);
    open_small("small");
    ck_assert_str_eq(raw_opened(&one)->stream_id, "small");
    ck_assert_uint_eq(raw_opened(&one)->lease_ms, 10000);
    ck_assert_int_eq(raw_open_stream(&one, NULL, NULL), WIRE_OK); /* the documented request */
    ck_assert_uint_eq(strspn(raw_opened(&one)->stream_id, "0123456789abcdef"), 32);
    ck_assert_uint_eq(raw_opened(&one)->tiles_planned, 130);
}
END_TEST

START_TEST(the_same_cursor_gives_the_same_tiles_again)
{
    uint8_t *first;
    size_t len;

    set_up_clients(_i, 4);
    open_small("small");
    wait_for_position("small", 12);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 3, 3000, 0}), WIRE_OK);
    check_batch(&one, 3, 2, false);
    len = one.head.payload_len;
    first = malloc(len);
    memcpy(first, one.head.payload, len);
    for (int again = 0; again < 3; again++) {
        ck_assert_int_eq(raw_next(&other, (struct raw_poll){"small", 3, 3000, 0}), WIRE_OK);
        ck_assert_uint_eq(other.head.payload_len, len);
        ck_assert_mem_eq(other.head.payload, first, len);
    }
    free(first);
}
END_TEST

START_TEST(a_cursor_outside_of_what_is_held_is_refused_with_its_range)
{
    set_up_clients(_i, 4);
    open_small("small");
    wait_for_position("small", 12);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 13, MIB, 0}), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(one.head.message, "cursor is 13; it must be from 0 to 12");
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 5, 1, 0}), WIRE_OK);
    check_batch(&one, 5, 1, false);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 4, MIB, 0}), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(one.head.message, "cursor is 4; it must be from 5 to 12");
    next_until_done((struct raw_poll){"small", 5, MIB, 0});
    check_batch(&one, 5, 7, true);
}
END_TEST

START_TEST(a_batch_has_at_least_one_tile_and_none_for_0_bytes)
{
    set_up_clients(_i, 4);
    open_small("small");
    wait_for_position("small", 12);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 0, 0, 5000}), WIRE_OK);
    check_batch(&one, 0, 0, false);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 0, 1, 5000}), WIRE_OK);
    check_batch(&one, 0, 1, false);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 11, 0, 5000}), WIRE_OK);
    check_batch(&one, 11, 0, false);
    next_until_done((struct raw_poll){"small", 12, 0, 5000});
    check_batch(&one, 12, 0, true);
}
END_TEST

START_TEST(the_largest_tiles_come_one_by_one)
{
    const Tilery__V1__ComputeRequest request = raw_request(4096, 4096 * 2 + 1, 4096, 1);

    set_up_clients(_i, 4);
    ck_assert_int_eq(raw_open_stream(&one, &request, "large"), WIRE_OK);
    for (uint64_t cursor = 0; cursor < 3; cursor++) {
        do
            ck_assert_int_eq(raw_next(&one, (struct raw_poll){"large", cursor, UINT64_MAX, 5000}), WIRE_OK);
        while (raw_tiles(&one)->n_tiles == 0);
        ck_assert_uint_eq(raw_tiles(&one)->n_tiles, 1);
        ck_assert_uint_eq(raw_tiles(&one)->tiles[0]->data.len, cursor < 2 ? WIRE_MAX_TILE_BYTES : 4096 * 2);
    }
}
END_TEST

START_TEST(the_last_batch_can_be_asked_for_again_until_the_stream_is_cancelled)
{
    set_up_clients(_i, 4);
    open_small("small");
    wait_for_position("small", 12);
    for (int again = 0; again < 3; again++) {
        next_until_done((struct raw_poll){"small", 10, MIB, 0});
        check_batch(&one, 10, 2, true);
        ck_assert_uint_eq(raw_tiles(&one)->summary->tiles_done, 12);
        ck_assert_uint_eq(raw_tiles(&one)->summary->pixels, 7000);
    }
    ck_assert(raw_cancel(&other, "small"));
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 12, MIB, 0}), WIRE_NOT_FOUND);
    ck_assert(!raw_cancel(&other, "small"));
}
END_TEST

START_TEST(a_poll_that_waited_long_enough_is_answered_with_none)
{
    static const uint64_t waits[] = {0, 1, 50};

    set_up_clients(_i, 2);
    raw_open_endless(&one, "endless");
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(raw_next(&one, (struct raw_poll){"endless", 0, MIB, waits[i]}), WIRE_OK);
        check_batch(&one, 0, 0, false);
    }
    open_small("queued");
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"queued", 0, MIB, 50}), WIRE_OK);
    check_batch(&one, 0, 0, false);
}
END_TEST

START_TEST(a_poll_is_answered_as_soon_as_the_first_tile_is_there)
{
    set_up_clients(_i, 2);
    raw_open_endless(&one, "endless");
    open_small("queued");
    raw_start_next(&other, (struct raw_poll){"queued", 0, MIB, 5000});
    ck_assert(raw_cancel(&one, "endless"));
    ck_assert_int_eq(raw_end_next(&other), WIRE_OK);
    ck_assert_uint_ge(raw_tiles(&other)->n_tiles, 1);
}
END_TEST

START_TEST(a_small_batch_is_not_held_back_for_more)
{
    uint64_t begin_ns;

    set_up_clients(_i, 4);
    raw_open_slow(&one, "alone", (struct raw_slow){4096, 1024, -4.5, 10});
    wait_for_position("alone", 1);
    begin_ns = wire_now_ns();
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"alone", 0, 8 * MIB, 60000}), WIRE_OK);
    check_batch(&one, 0, 1, false);
    ck_assert_uint_lt(wire_now_ns() - begin_ns, UINT64_C(4000000000)); /* polls wait for 5 s */
}
END_TEST

static const uint64_t newer_bytes[] = {MIB, 0};

/* Which of the two is the newer one the server decides: in the end it is the one that asks on and on. */
START_TEST(a_newer_poll_ends_the_one_that_waits_as_aborted)
{
    enum wire_status status;

    set_up_clients(_i % TRANSPORTS, 2);
    raw_open_endless(&one, "endless");
    raw_start_next(&other, (struct raw_poll){"endless", 0, MIB, 5000});
    do {
        status = raw_next(&one, (struct raw_poll){"endless", 0, newer_bytes[_i / TRANSPORTS], 1});
        ck_assert(status == WIRE_OK || status == WIRE_ABORTED);
    } while (!raw_answered(&other));
    ck_assert_int_eq(raw_end_next(&other), WIRE_ABORTED);
}
END_TEST

START_TEST(a_poll_that_waits_is_told_of_the_cancel)
{
    enum wire_status status;

    set_up_clients(_i, 2);
    raw_open_endless(&one, "endless");
    raw_start_next(&other, (struct raw_poll){"endless", 0, MIB, 5000});
    ck_assert(raw_cancel(&one, "endless"));
    status = raw_end_next(&other);
    ck_assert(status == WIRE_CANCELLED || status == WIRE_NOT_FOUND);
}
END_TEST

/* The call's time, not the poll's: it is answered, too. */
START_TEST(a_poll_whose_call_runs_out_of_time_is_answered_with_none)
{
    const struct wire_request head = {
        .method = "tilery.v1.TileCompute/NextTiles", .request_id = "", .has_timeout = true, .timeout_ms = 50};
    Tilery__V1__NextTilesRequest next = TILERY__V1__NEXT_TILES_REQUEST__INIT;

    set_up_clients(_i, 2);
    raw_open_endless(&one, "endless");
    next.stream_id = (char *)(uintptr_t) "endless";
    next.has_wait_ms = 1;
    next.wait_ms = 5000;
    raw_send(&one, &head, &next.base);
    ck_assert_int_eq(raw_end_next(&one), WIRE_OK);
    check_batch(&one, 0, 0, false);
}
END_TEST

START_TEST(a_stream_outlives_the_connections_it_was_opened_and_polled_on)
{
    set_up_clients(_i, 2);
    raw_open_endless(&one, "endless");
    open_small("queued");
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"endless", 0, 0, 0}), WIRE_OK);
    raw_start_next(&one, (struct raw_poll){"queued", 0, MIB, 5000});
    raw_close(&one);
    raw_open(&one, served.url);
    ck_assert(raw_cancel(&other, "endless"));
    wait_for_position("queued", 12);
    ck_assert_int_eq(raw_next(&other, (struct raw_poll){"queued", 0, MIB, 5000}), WIRE_OK);
    ck_assert_uint_eq(raw_tiles(&other)->n_tiles, 12);
}
END_TEST

START_TEST(what_is_no_stream_is_not_found)
{
    static char longest[1000];
    const char *const ids[] = {NULL, "", "nobody", "small ", "sma", longest};

    memset(longest, 'x', sizeof longest - 1);
    set_up_clients(_i, 4);
    open_small("small");
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        ck_assert_int_eq(raw_next(&one, (struct raw_poll){ids[i], 0, MIB, 5000}), WIRE_NOT_FOUND);
        ck_assert_ptr_nonnull(strstr(one.head.message, "there is no stream \""));
    }
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"small", 0, MIB, 5000}), WIRE_OK);
}
END_TEST

START_TEST(a_run_computes_no_further_ahead_than_its_window)
{
    const Tilery__V1__ComputeRequest request = raw_request(2048, 2048, 64, 10); /* 8 KiB a tile, 1024 tiles */
    const struct tilery_compute_request as_much = served_request(2048, 2048, 64, 64, 1);
    const unsigned room = (unsigned)(4 * MIB / WINDOW_TILE_BYTES(64 * 64));
    unsigned ahead = 0;

    set_up_clients(_i, 4);
    ck_assert_int_eq(raw_open_stream(&one, &request, "unread"), WIRE_OK);
    check_status(served_compute(served.client, &as_much, 0, NULL), TILERY_OK);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"unread", UINT64_MAX, MIB, 0}), WIRE_INVALID_ARGUMENT);
    ck_assert_int_eq(sscanf(one.head.message, "cursor is %*u; it must be from 0 to %u", &ahead), 1);
    ck_assert_uint_le(ahead, room);
    wait_for_position("unread", room);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"unread", 100, 0, 0}), WIRE_OK);
    wait_for_position("unread", room + 100);
}
END_TEST

/* Takes the lease's ten seconds. What is forgotten has all that streams may have: it computes on, or waits
 * for a place in its window. */
START_TEST(a_stream_that_nobody_asks_for_ends_with_its_lease)
{
    const Tilery__V1__ComputeRequest request = raw_request(8, 8, 8, 1),
                                     large = raw_request(2048, 2048, 64, 10);

    set_up_clients(_i, 2);
    if (_i == INPROC)
        raw_open_endless(&one, "forgotten");
    else
        ck_assert_int_eq(raw_open_stream(&one, &large, "forgotten"), WIRE_OK);
    ck_assert_int_eq(raw_open_stream(&one, &request, "next"), WIRE_OK);
    wait_for_position("next", 1);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"forgotten", 0, MIB, 0}), WIRE_NOT_FOUND);
}
END_TEST

START_TEST(the_257th_stream_is_refused_until_one_has_been_read)
{
    const Tilery__V1__ComputeRequest request = raw_request(8, 8, 8, 1);
    char id[16];

    set_up_clients(_i, 2);
    raw_open_endless(&one, "0");
    for (unsigned i = 1; i < MAX_STREAMS; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        ck_assert_int_eq(raw_open_stream(&one, &request, id), WIRE_OK);
    }
    ck_assert_int_eq(raw_open_stream(&one, &request, "256"), WIRE_RESOURCE_EXHAUSTED);
    ck_assert_uint_gt(one.head.retry_after_ms, 0);
    ck_assert(raw_cancel(&one, "0"));
    ck_assert_int_eq(raw_open_stream(&one, &request, "256"), WIRE_OK);
    ck_assert_int_eq(raw_open_stream(&one, &request, "257"), WIRE_RESOURCE_EXHAUSTED);
    next_until_done((struct raw_poll){"1", 0, MIB, 5000});
    ck_assert_int_eq(raw_open_stream(&one, &request, "257"), WIRE_OK);
    ck_assert_int_eq(raw_next(&one, (struct raw_poll){"1", 0, MIB, 0}), WIRE_NOT_FOUND);
}
END_TEST

static TCase *add_tests(TCase *tests)
{
    tcase_add_loop_test(tests, open_stream_tells_the_stream_s_id_its_tiles_and_its_lease, 0, TRANSPORTS);
    tcase_add_loop_test(tests, the_same_cursor_gives_the_same_tiles_again, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_cursor_outside_of_what_is_held_is_refused_with_its_range, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_batch_has_at_least_one_tile_and_none_for_0_bytes, 0, TRANSPORTS);
    tcase_add_loop_test(tests, the_largest_tiles_come_one_by_one, 0, TRANSPORTS);
    tcase_add_loop_test(tests, the_last_batch_can_be_asked_for_again_until_the_stream_is_cancelled, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_poll_that_waited_long_enough_is_answered_with_none, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_poll_is_answered_as_soon_as_the_first_tile_is_there, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_small_batch_is_not_held_back_for_more, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_newer_poll_ends_the_one_that_waits_as_aborted, 0, 2 * TRANSPORTS);
    tcase_add_loop_test(tests, a_poll_that_waits_is_told_of_the_cancel, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_poll_whose_call_runs_out_of_time_is_answered_with_none, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_outlives_the_connections_it_was_opened_and_polled_on, 0, TRANSPORTS);
    tcase_add_loop_test(tests, what_is_no_stream_is_not_found, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_run_computes_no_further_ahead_than_its_window, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_that_nobody_asks_for_ends_with_its_lease, 0, TRANSPORTS);
    tcase_add_loop_test(tests, the_257th_stream_is_refused_until_one_has_been_read, 0, TRANSPORTS);
    return tests;
}

int main(void)
{
    TCase *tests = tcase_create("next tiles");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_set_timeout(tests, 60);
    return suite_run("next tiles", add_tests(tests));
}
