/* When a reader of a window is told that something has come, that nothing comes any more, and what becomes of
 * a window that nobody reads. */
#include "service/window.h"
#include "suite.h"
#include "tiles.h"

/* ---- Ready ---- */

START_TEST(nobody_is_told_who_did_not_wait)
{
    tiles_put(0);
    tiles_check_read(1, 0, NULL);
    tiles_put(1);
    window_end(window);
    ck_assert_uint_eq(ready_calls, 0);
}
END_TEST

/* Once for each wait, and of the first tile only; a max_bytes that takes none waits as well. */
START_TEST(a_waiting_reader_is_told_once)
{
    uint64_t max_bytes = _i == 0 ? UINT64_MAX : 0;

    for (unsigned round = 0; round < 2; round++) {
        tiles_read(round * 2, max_bytes, true);
        ck_assert_uint_eq(batch.count, 0);
        ck_assert_uint_eq(ready_calls, round);
        tiles_put(round * 2);
        ck_assert_uint_eq(ready_calls, round + 1);
        tiles_put(round * 2 + 1);
        ck_assert_uint_eq(ready_calls, round + 1);
    }
    window_end(window);
    ck_assert_uint_eq(ready_calls, 2);
    tiles_check_read(2, 2, &in_order[2]);
}
END_TEST

START_TEST(a_reader_that_asks_twice_is_told_once)
{
    tiles_read(0, UINT64_MAX, true);
    tiles_read(0, UINT64_MAX, true);
    tiles_put(0);
    tiles_put(1);
    ck_assert_uint_eq(ready_calls, 1);
}
END_TEST

START_TEST(a_waiting_reader_is_told_though_another_looks_meanwhile)
{
    tiles_read(0, UINT64_MAX, true);
    tiles_check_read(0, 0, NULL);
    tiles_put(0);
    ck_assert_uint_eq(ready_calls, 1);
}
END_TEST

START_TEST(a_reader_that_found_tiles_is_not_told)
{
    tiles_put(0);
    tiles_read(0, UINT64_MAX, true);
    ck_assert_uint_eq(batch.count, 1);
    window_release(window, &batch);
    tiles_put(1);
    window_end(window);
    ck_assert_uint_eq(ready_calls, 0);
}
END_TEST

START_TEST(a_reader_that_was_refused_is_not_told)
{
    tiles_check_refused(1, "cursor is 1; it must be from 0 to 0");
    tiles_put(0);
    window_end(window);
    ck_assert_uint_eq(ready_calls, 0);
}
END_TEST

START_TEST(a_waiting_reader_is_not_told_of_a_tile_that_was_not_computed)
{
    uint16_t *counts = tiles_begin(0);

    tiles_read(0, UINT64_MAX, true);
    tiles_end(0, counts, false);
    ck_assert_uint_eq(ready_calls, 0);
    tiles_put(1);
    ck_assert_uint_eq(ready_calls, 1);
}
END_TEST

START_TEST(a_reader_is_told_when_as_much_has_come_as_it_waits_for)
{
    uint64_t one_tile;

    tiles_make(8 * TILE_BYTES);
    tiles_put(0);
    tiles_read(0, 0, 0);
    one_tile = batch.come;
    tiles_read(0, 0, 2 * one_tile);
    tiles_put(1);
    ck_assert_uint_eq(ready_calls, 1);
    tiles_read(0, 0, 2 * one_tile + 1);
    ck_assert_uint_eq(batch.come, 2 * one_tile);
    ck_assert_uint_eq(ready_calls, 1);
    tiles_read(1, 0, one_tile + 1);
    ck_assert_uint_eq(batch.come, one_tile);
    tiles_put(2);
    ck_assert_uint_eq(ready_calls, 2);
}
END_TEST

START_TEST(a_reader_does_not_wait_for_what_has_come)
{
    tiles_put(0);
    tiles_read(0, 0, 0);
    tiles_read(0, 0, batch.come);
    tiles_put(1);
    window_end(window);
    ck_assert_uint_eq(ready_calls, 0);
}
END_TEST

static void check_told(void)
{
    ck_assert_uint_eq(ready_calls, 1);
    tiles_acknowledge_one();
}

/* While others compute. */
START_TEST(a_reader_that_waits_for_more_than_there_is_room_for_is_told_all_the_same)
{
    uint16_t *six, *seven;

    tiles_make(4 * TILE_BYTES);
    tiles_read(0, 0, UINT64_MAX);
    six = tiles_begin(6);
    seven = tiles_begin(7);
    tiles_put(0);
    tiles_put(1);
    ck_assert_uint_eq(ready_calls, 0);
    on_wait = check_told;
    tiles_put(2);
    ck_assert_uint_eq(waits, 1);
    ck_assert_uint_eq(ready_calls, 1);
    tiles_end(6, six, false);
    tiles_end(7, seven, false);
}
END_TEST

START_TEST(a_reader_does_not_wait_for_more_than_half_of_the_tiles_there_is_room_for)
{
    tiles_make(5 * TILE_BYTES);
    tiles_read(0, 0, UINT64_MAX);
    tiles_put(0);
    tiles_put(1);
    tiles_read(0, 0, UINT64_MAX);
    ck_assert(!batch.plenty);
    ck_assert_uint_eq(ready_calls, 0);
    tiles_put(2);
    ck_assert_uint_eq(ready_calls, 1);
    tiles_read(0, 0, UINT64_MAX);
    ck_assert(batch.plenty);
    tiles_put(3);
    window_end(window);
    ck_assert_uint_eq(ready_calls, 1);
}
END_TEST

START_TEST(a_waiting_reader_is_told_of_the_end)
{
    tiles_put(0);
    tiles_read(1, UINT64_MAX, true);
    ck_assert(!batch.done);
    window_end(window);
    ck_assert_uint_eq(ready_calls, 1);
    tiles_read(1, UINT64_MAX, true);
    ck_assert(batch.done);
    ck_assert_uint_eq(ready_calls, 1);
}
END_TEST

/* ---- Done ---- */

START_TEST(an_ended_window_that_nothing_came_to_is_done)
{
    window_end(window);
    tiles_check_read(0, 0, NULL);
    ck_assert(batch.done);
    ck_assert_uint_eq(window_position(window), 0);
}
END_TEST

START_TEST(a_window_whose_tiles_were_all_read_is_not_done_before_its_end)
{
    tiles_put_three();
    tiles_check_read(0, 3, in_order);
    ck_assert(!batch.done);
    tiles_check_read(3, 0, NULL);
    ck_assert(!batch.done);
    window_end(window);
    tiles_check_read(3, 0, NULL);
    ck_assert(batch.done);
}
END_TEST

START_TEST(an_ended_window_is_not_done_before_its_last_tile_was_read)
{
    tiles_put_three();
    window_end(window);
    tiles_read(0, 2 * PACKED_BYTES, false);
    tiles_check(&batch, 2, in_order);
    ck_assert(!batch.done);
    window_release(window, &batch);
    tiles_read(2, 0, false);
    ck_assert(!batch.done);
    tiles_check_read(2, 1, &in_order[2]);
    ck_assert(batch.done);
    ck_assert_uint_eq(ready_calls, 0);
}
END_TEST

START_TEST(the_last_tiles_can_be_read_again_until_they_are_acknowledged)
{
    tiles_put(0);
    tiles_put(1);
    window_end(window);
    for (int again = 0; again < 2; again++) {
        tiles_check_read(0, 2, in_order);
        ck_assert(batch.done);
    }
    for (int again = 0; again < 2; again++) {
        tiles_read(2, _i == 0 ? UINT64_MAX : 0, false);
        ck_assert_uint_eq(batch.count, 0);
        ck_assert(batch.done);
        ck_assert_uint_eq(batch.next_cursor, 2);
    }
    tiles_check_refused(1, "cursor is 1; it must be from 2 to 2");
    tiles_check_refused(3, "cursor is 3; it must be from 2 to 2");
}
END_TEST

/* ---- Abandoned ---- */

START_TEST(an_abandoned_window_has_no_room)
{
    struct tile tile = {.columns = SIDE, .rows = SIDE};

    window_abandon(window);
    ck_assert_ptr_null(sink.acquire(sink.arg, 0, tile));
    ck_assert_ptr_null(sink.acquire(sink.arg, 1, tile));
    ck_assert_uint_eq(waits, 0);
}
END_TEST

START_TEST(a_thread_that_waits_for_room_gets_none_from_an_abandoned_window)
{
    struct tile tile = {.columns = SIDE, .rows = SIDE};

    tiles_put_three();
    window_abandon(window);
    ck_assert_ptr_null(sink.acquire(sink.arg, 3, tile));
    ck_assert_uint_eq(waits, 0);
}
END_TEST

START_TEST(a_tile_that_is_done_after_the_window_was_abandoned_is_dropped)
{
    uint16_t *counts[2];

    counts[0] = tiles_begin(0);
    counts[1] = tiles_begin(1);
    tiles_put(2);
    window_abandon(window);
    tiles_end(0, counts[0], true);
    tiles_end(1, counts[1], false);
    ck_assert_uint_eq(window_position(window), 1);
    window_end(window);
    ck_assert_uint_eq(window_position(window), 1);
}
END_TEST

START_TEST(a_batch_stays_valid_after_the_window_was_abandoned)
{
    struct window_batch held;

    tiles_put_three();
    tiles_read(0, UINT64_MAX, false);
    held = batch;
    window_abandon(window);
    window_end(window);
    tiles_check(&held, 3, in_order);
    window_release(window, &held);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("window_ends");

    tcase_add_checked_fixture(tests, tiles_set_up, tiles_tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, nobody_is_told_who_did_not_wait);
    tcase_add_loop_test(tests, a_waiting_reader_is_told_once, 0, 2);
    tcase_add_test(tests, a_reader_that_asks_twice_is_told_once);
    tcase_add_test(tests, a_waiting_reader_is_told_though_another_looks_meanwhile);
    tcase_add_test(tests, a_reader_that_found_tiles_is_not_told);
    tcase_add_test(tests, a_reader_that_was_refused_is_not_told);
    tcase_add_test(tests, a_waiting_reader_is_not_told_of_a_tile_that_was_not_computed);
    tcase_add_test(tests, a_reader_is_told_when_as_much_has_come_as_it_waits_for);
    tcase_add_test(tests, a_reader_does_not_wait_for_what_has_come);
    tcase_add_test(tests, a_reader_that_waits_for_more_than_there_is_room_for_is_told_all_the_same);
    tcase_add_test(tests, a_reader_does_not_wait_for_more_than_half_of_the_tiles_there_is_room_for);
    tcase_add_test(tests, a_waiting_reader_is_told_of_the_end);
    tcase_add_test(tests, an_ended_window_that_nothing_came_to_is_done);
    tcase_add_test(tests, a_window_whose_tiles_were_all_read_is_not_done_before_its_end);
    tcase_add_test(tests, an_ended_window_is_not_done_before_its_last_tile_was_read);
    tcase_add_loop_test(tests, the_last_tiles_can_be_read_again_until_they_are_acknowledged, 0, 2);
    tcase_add_test(tests, an_abandoned_window_has_no_room);
    tcase_add_test(tests, a_thread_that_waits_for_room_gets_none_from_an_abandoned_window);
    tcase_add_test(tests, a_tile_that_is_done_after_the_window_was_abandoned_is_dropped);
    tcase_add_test(tests, a_batch_stays_valid_after_the_window_was_abandoned);
    return suite_run("window_ends", tests);
}
