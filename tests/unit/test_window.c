/* What a window gives, what it refuses, and how much it holds. */
#include <string.h>

#include "label.h"
#include "service/window.h"
#include "suite.h"
#include "tiles.h"

/* ---- Positions ---- */

START_TEST(tiles_are_read_in_the_order_in_which_they_were_finished)
{
    uint16_t *seven = tiles_begin(7), *two = tiles_begin(2);

    ck_assert_uint_eq(window_position(window), 0);
    tiles_end(2, two, true);
    ck_assert_uint_eq(window_position(window), 1);
    tiles_put(5);
    tiles_end(7, seven, true);
    ck_assert_uint_eq(window_position(window), 3);
    tiles_check_read(0, 3, (const uint32_t[]){2, 5, 7});
}
END_TEST

START_TEST(an_empty_window_gives_nothing_at_its_start)
{
    tiles_check_read(0, 0, NULL);
    ck_assert(!batch.done);
    ck_assert_uint_eq(window_position(window), 0);
}
END_TEST

START_TEST(the_same_cursor_gives_the_same_tiles_again)
{
    struct window_batch first;

    tiles_put(0);
    tiles_put(1);
    tiles_read(0, UINT64_MAX, false);
    first = batch;
    tiles_read(0, UINT64_MAX, false);
    ck_assert_ptr_eq(window_batch_tile(&batch, 0), window_batch_tile(&first, 0));
    tiles_check(&batch, 2, in_order);
    window_release(window, &first);
    window_release(window, &batch);
    tiles_put(2);
    tiles_check_read(0, 3, in_order);
}
END_TEST

START_TEST(a_cursor_leaves_out_what_is_before_it)
{
    tiles_put_three();
    tiles_check_read(1, 2, &in_order[1]);
    tiles_check_read(2, 1, &in_order[2]);
    tiles_check_read(3, 0, NULL);
    tiles_put(3);
    tiles_check_read(3, 1, &in_order[3]);
}
END_TEST

START_TEST(a_cursor_before_what_was_acknowledged_is_refused)
{
    tiles_put_three();
    tiles_check_read(2, 1, &in_order[2]);
    tiles_check_refused(1, "cursor is 1; it must be from 2 to 3");
    tiles_check_refused(0, "cursor is 0; it must be from 2 to 3");
    tiles_check_read(2, 1, &in_order[2]);
}
END_TEST

START_TEST(a_cursor_after_what_has_come_is_refused)
{
    tiles_check_refused(1, "cursor is 1; it must be from 0 to 0");
    tiles_put_three();
    tiles_check_refused(4, "cursor is 4; it must be from 0 to 3");
    tiles_check_refused(UINT64_MAX, "cursor is 18446744073709551615; it must be from 0 to 3");
    tiles_check_read(0, 3, in_order);
    tiles_check_read(3, 0, NULL);
    tiles_check_refused(4, "cursor is 4; it must be from 3 to 3");
}
END_TEST

START_TEST(as_many_tiles_are_given_as_fill_max_bytes_and_at_least_one)
{
    static const struct {
        uint64_t max_bytes;
        size_t count;
    } cases[] = {
        {1, 1}, {PACKED_BYTES, 1}, {2 * PACKED_BYTES - 1, 1}, {2 * PACKED_BYTES, 2}, {UINT64_MAX, 3}};

    tiles_put_three();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiles_read(0, cases[i].max_bytes, false);
        tiles_check(&batch, cases[i].count, in_order);
        ck_assert_uint_eq(batch.next_cursor, cases[i].count);
        ck_assert_uint_eq(batch.bytes, cases[i].count * PACKED_BYTES);
        window_release(window, &batch);
    }
}
END_TEST

START_TEST(max_bytes_0_gives_none_but_acknowledges)
{
    tiles_put_three();
    tiles_read(2, 0, false);
    ck_assert_uint_eq(batch.count, 0);
    ck_assert_uint_eq(batch.next_cursor, 2);
    window_release(window, &batch);
    tiles_put(3);
    tiles_put(4);
    tiles_check_read(2, 3, &in_order[2]);
}
END_TEST

/* ---- Room ---- */

START_TEST(each_tile_that_is_acknowledged_makes_room_for_one)
{
    tiles_put_three();
    ck_assert_uint_eq(waits, 0);
    on_wait = tiles_acknowledge_one;
    for (uint32_t task_id = 3; task_id < 8; task_id++) {
        tiles_put(task_id);
        ck_assert_uint_eq(waits, task_id - 2);
    }
    tiles_check_read(5, 3, &in_order[5]);
    tiles_put(0);
    tiles_put(1);
    ck_assert_uint_eq(waits, 7);
}
END_TEST

START_TEST(reading_alone_makes_no_room)
{
    tiles_put_three();
    tiles_check_read(0, 3, in_order);
    on_wait = tiles_acknowledge_one;
    tiles_put(3);
    ck_assert_uint_eq(waits, 1);
}
END_TEST

static uint16_t *held_back;

static void end_uncomputed(void)
{
    tiles_end(7, held_back, false);
}

START_TEST(a_tile_takes_room_while_it_is_computed_and_gives_it_back_when_it_was_not)
{
    held_back = tiles_begin(7);
    tiles_put(0);
    tiles_put(1);
    on_wait = end_uncomputed;
    tiles_put(2);
    ck_assert_uint_eq(waits, 1);
    ck_assert_uint_eq(window_position(window), 3);
    tiles_check_read(0, 3, in_order);
}
END_TEST

/* Of no byte, or of one too few. */
START_TEST(one_tile_that_is_larger_than_the_window_is_let_in_alone)
{
    tiles_make(_i == 0 ? 0 : TILE_BYTES - 1);
    tiles_put(0);
    ck_assert_uint_eq(waits, 0);
    on_wait = tiles_acknowledge_all;
    tiles_put(1);
    tiles_put(2);
    ck_assert_uint_eq(waits, 2);
    tiles_check_read(2, 1, &in_order[2]);
}
END_TEST

/* Else the second one would wait. */
START_TEST(a_tile_for_which_there_is_no_memory_takes_no_room)
{
    const struct window_options options = {.tile_counts = SIZE_MAX / 4, .pack = label_pack};
    struct tile immense = {.columns = UINT32_C(1) << 31, .rows = UINT32_C(1) << 31};

    window_free(window);
    ck_assert_int_eq(window_create(&options, &window), WIRE_OK);
    sink = window_sink(window);
    ck_assert_ptr_null(sink.acquire(sink.arg, 0, immense));
    ck_assert_ptr_null(sink.acquire(sink.arg, 1, immense));
    ck_assert_uint_eq(waits, 0);
}
END_TEST

/* A clipped tile has the place of a whole one; a reader counts what it is. */
START_TEST(as_many_clipped_tiles_have_room_as_whole_ones)
{
    const uint64_t packed = sizeof(struct label) + SIDE * sizeof(uint16_t);
    struct tile clipped = {.columns = 1, .rows = SIDE};
    struct run_record record = {.task_id = 0};

    on_wait = tiles_acknowledge_one;
    for (unsigned i = 0; i < 4; i++) {
        uint16_t *counts = sink.acquire(sink.arg, 0, clipped);

        ck_assert_uint_eq(waits, i / 3);
        memset(counts, 0, SIDE * sizeof *counts);
        sink.finish(sink.arg, &record, clipped, counts, true);
    }
    tiles_read(1, 2 * packed, false);
    ck_assert_uint_eq(batch.count, 2);
    ck_assert_uint_eq(batch.come, 3 * packed);
    ck_assert_uint_eq(label_read(window_batch_tile(&batch, 0)).tile.columns, 1);
    window_release(window, &batch);
}
END_TEST

/* ---- What a reader holds ---- */

START_TEST(a_batch_stays_valid_after_it_was_acknowledged)
{
    struct window_batch old, older;

    tiles_make(6 * TILE_BYTES);
    tiles_put_three();
    tiles_read(0, UINT64_MAX, false);
    older = batch;
    tiles_read(1, UINT64_MAX, false);
    old = batch;
    tiles_check_read(3, 0, NULL);
    for (uint32_t task_id = 3; task_id < 6; task_id++)
        tiles_put(task_id);
    tiles_check_read(6, 0, NULL);
    tiles_check(&old, 2, &in_order[1]);
    tiles_check(&older, 3, in_order);
    window_release(window, _i == 0 ? &old : &older);
    tiles_check(_i == 0 ? &older : &old, _i == 0 ? 3 : 2, &in_order[_i == 0 ? 0 : 1]);
    window_release(window, _i == 0 ? &older : &old);
}
END_TEST

static struct window_batch held;

static void release_held(void)
{
    window_release(window, &held);
}

START_TEST(what_a_reader_holds_takes_room_though_it_was_acknowledged)
{
    tiles_put_three();
    tiles_read(0, PACKED_BYTES, false);
    held = batch;
    tiles_read(3, 0, false);
    on_wait = release_held;
    for (uint32_t task_id = 3; task_id < 6; task_id++)
        tiles_put(task_id);
    ck_assert_uint_eq(waits, 1);
    tiles_check_read(3, 3, &in_order[3]);
}
END_TEST

START_TEST(a_batch_given_back_is_there_to_be_read_again)
{
    tiles_put(0);
    tiles_check_read(0, 1, in_order);
    tiles_check_read(0, 1, in_order);
}
END_TEST

START_TEST(a_window_is_freed_with_tiles_that_nobody_read)
{
    tiles_put_three();
    window_free(NULL);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("window");

    tcase_add_checked_fixture(tests, tiles_set_up, tiles_tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, tiles_are_read_in_the_order_in_which_they_were_finished);
    tcase_add_test(tests, an_empty_window_gives_nothing_at_its_start);
    tcase_add_test(tests, the_same_cursor_gives_the_same_tiles_again);
    tcase_add_test(tests, a_cursor_leaves_out_what_is_before_it);
    tcase_add_test(tests, a_cursor_before_what_was_acknowledged_is_refused);
    tcase_add_test(tests, a_cursor_after_what_has_come_is_refused);
    tcase_add_test(tests, as_many_tiles_are_given_as_fill_max_bytes_and_at_least_one);
    tcase_add_test(tests, max_bytes_0_gives_none_but_acknowledges);
    tcase_add_test(tests, each_tile_that_is_acknowledged_makes_room_for_one);
    tcase_add_test(tests, reading_alone_makes_no_room);
    tcase_add_test(tests, a_tile_takes_room_while_it_is_computed_and_gives_it_back_when_it_was_not);
    tcase_add_loop_test(tests, one_tile_that_is_larger_than_the_window_is_let_in_alone, 0, 2);
    tcase_add_test(tests, a_tile_for_which_there_is_no_memory_takes_no_room);
    tcase_add_test(tests, as_many_clipped_tiles_have_room_as_whole_ones);
    tcase_add_loop_test(tests, a_batch_stays_valid_after_it_was_acknowledged, 0, 2);
    tcase_add_test(tests, what_a_reader_holds_takes_room_though_it_was_acknowledged);
    tcase_add_test(tests, a_batch_given_back_is_there_to_be_read_again);
    tcase_add_test(tests, a_window_is_freed_with_tiles_that_nobody_read);
    return suite_run("window", tests);
}
