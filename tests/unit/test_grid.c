#include "engine/grid.h"

#include "suite.h"

START_TEST(tiles_are_numbered_row_by_row_from_the_top_left)
{
    struct grid grid = grid_make(96, 64, 32, 32);

    ck_assert_uint_eq(grid.across, 3);
    ck_assert_uint_eq(grid.tiles, 6);
    for (uint32_t task_id = 0; task_id < 6; task_id++) {
        struct tile tile = grid_tile(&grid, task_id);

        ck_assert_uint_eq(tile.x, task_id % 3 * 32);
        ck_assert_uint_eq(tile.y, task_id / 3 * 32);
        ck_assert_uint_eq(tile.columns, 32);
        ck_assert_uint_eq(tile.rows, 32);
    }
}
END_TEST

START_TEST(tiles_at_the_right_and_bottom_edge_are_clipped)
{
    struct grid grid = grid_make(100, 70, 32, 32);
    struct tile corner = grid_tile(&grid, 11);

    ck_assert_uint_eq(grid.tiles, 12);
    ck_assert_uint_eq(grid_tile(&grid, 3).columns, 4);
    ck_assert_uint_eq(grid_tile(&grid, 3).rows, 32);
    ck_assert_uint_eq(grid_tile(&grid, 8).columns, 32);
    ck_assert_uint_eq(grid_tile(&grid, 8).rows, 6);
    ck_assert_uint_eq(corner.columns, 4);
    ck_assert_uint_eq(corner.rows, 6);
}
END_TEST

START_TEST(a_tile_larger_than_the_image_is_the_image)
{
    struct grid grid = grid_make(1, 3, 65536, 65536);
    struct tile tile = grid_tile(&grid, 0);

    ck_assert_uint_eq(grid.tiles, 1);
    ck_assert_uint_eq(tile.columns, 1);
    ck_assert_uint_eq(tile.rows, 3);
}
END_TEST

START_TEST(the_number_of_tiles_of_the_largest_image_does_not_overflow)
{
    ck_assert_uint_eq(grid_make(65536, 65536, 1, 1).tiles, UINT64_C(1) << 32);
}
END_TEST

/* Counts how many tiles hold each pixel. */
static void cover(const struct grid *grid, unsigned *held)
{
    for (uint32_t task_id = 0; task_id < grid->tiles; task_id++) {
        struct tile tile = grid_tile(grid, task_id);

        for (uint32_t y = tile.y; y < tile.y + tile.rows; y++)
            for (uint32_t x = tile.x; x < tile.x + tile.columns; x++)
                held[y * grid->width + x]++;
    }
}

START_TEST(every_pixel_is_in_exactly_one_tile_for_any_tile_size)
{
    for (uint32_t tile_w = 1; tile_w <= 18; tile_w++)
        for (uint32_t tile_h = 1; tile_h <= 12; tile_h++) {
            struct grid grid = grid_make(17, 11, tile_w, tile_h);
            unsigned held[17 * 11] = {0};

            cover(&grid, held);
            for (size_t i = 0; i < 17 * 11; i++)
                ck_assert_msg(held[i] == 1, "pixel %zu is in %u tiles of %ux%u", i, held[i], tile_w, tile_h);
        }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("grid");

    tcase_add_test(tests, tiles_are_numbered_row_by_row_from_the_top_left);
    tcase_add_test(tests, tiles_at_the_right_and_bottom_edge_are_clipped);
    tcase_add_test(tests, a_tile_larger_than_the_image_is_the_image);
    tcase_add_test(tests, the_number_of_tiles_of_the_largest_image_does_not_overflow);
    tcase_add_test(tests, every_pixel_is_in_exactly_one_tile_for_any_tile_size);
    return suite_run("grid", tests);
}
