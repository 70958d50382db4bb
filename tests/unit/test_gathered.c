#include "gathered.h"

#include "suite.h"

#define MOST 300

static bool is_later(const struct format_tile *tile, const struct format_tile *other)
{
    return tile->attempt != other->attempt ? tile->attempt > other->attempt
                                           : tile->record.start_time_ms > other->record.start_time_ms;
}

/* Sorts, and the plain way: each tile moves before those that start later, or by a later clock. task_id is
 * the finishing order. */
static void check_sorted(struct format_tile *tiles, size_t count)
{
    struct format_tile expected[MOST];

    for (size_t i = 0; i < count; i++) {
        size_t at = i;

        tiles[i].record.task_id = (uint32_t)i;
        for (; at > 0 && is_later(&expected[at - 1], &tiles[i]); at--)
            expected[at] = expected[at - 1];
        expected[at] = tiles[i];
    }
    ck_assert(gathered_sort(tiles, count));
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(tiles[i].record.task_id, expected[i].record.task_id);
        ck_assert_uint_eq(tiles[i].record.start_time_ms, expected[i].record.start_time_ms);
        ck_assert_uint_eq(tiles[i].columns, expected[i].columns);
    }
}

START_TEST(random_starts_come_out_as_from_an_insertion_sort)
{
    uint32_t state = 1;

    for (size_t count = 0; count <= MOST; count++) {
        struct format_tile tiles[MOST] = {0};

        for (size_t i = 0; i < count; i++) {
            state = state * 1664525u + 1013904223u;
            tiles[i].record.start_time_ms = (state >> 8) % (1 + count / 3);
            tiles[i].attempt = (uint32_t)(2 * i / count);
            tiles[i].columns = state;
        }
        check_sorted(tiles, count);
    }
}
END_TEST

/* A tile that took long among many that did not: as tiles are finished. */
START_TEST(one_that_comes_late_goes_to_its_place)
{
    for (size_t late = 0; late < MOST; late += 7) {
        struct format_tile tiles[MOST] = {0};

        for (size_t i = 0; i < MOST; i++)
            tiles[i].record.start_time_ms = i == late ? 0 : i / 2;
        check_sorted(tiles, MOST);
    }
}
END_TEST

/* So many are sorted on a thread that others wait for: as many steps as there are, not as their square. */
START_TEST(a_million_are_sorted)
{
    const size_t count = 1u << 20;
    struct format_tile *tiles = calloc(count, sizeof *tiles);

    ck_assert_ptr_nonnull(tiles);
    for (size_t i = 0; i < count; i++)
        tiles[i].record.start_time_ms = (i ^ 1) * 2654435761u % count;
    ck_assert(gathered_sort(tiles, count));
    for (size_t i = 1; i < count; i++)
        ck_assert(tiles[i - 1].record.start_time_ms <= tiles[i].record.start_time_ms);
    free(tiles);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gathered");

    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, random_starts_come_out_as_from_an_insertion_sort);
    tcase_add_test(tests, one_that_comes_late_goes_to_its_place);
    tcase_add_test(tests, a_million_are_sorted);
    return suite_run("gathered", tests);
}
