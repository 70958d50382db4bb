/* A streamed tile, as it is packed in front of its counts. */
#include <string.h>

#include "service/internal.h"
#include "service/window.h"
#include "suite.h"
#include "wire/envelope.h"

#define COUNTS 20000

/* The larger, the longer. */
static const struct {
    struct run_record record;
    struct tile tile;
} cases[] = {
    {{0}, {.columns = 1, .rows = 1}},
    {{.task_id = 5, .thread_id = 1, .start_ns = 300, .duration_ns = 1999999}, {3, 4, 5, 6}},
    {{.task_id = 1000, .start_ns = 1, .duration_ns = 2}, {.x = 64, .y = 128, .columns = 64, .rows = 64}},
    {{.task_id = 70000, .start_ns = UINT64_C(1) << 40}, {.x = 200, .columns = 100, .rows = 200}},
    {{.task_id = UINT32_MAX, .thread_id = UINT32_MAX, .start_ns = UINT64_MAX, .duration_ns = UINT64_MAX},
     {.x = UINT32_MAX, .y = UINT32_MAX, .columns = UINT32_MAX, .rows = 1}},
};
#define CASES (int)(sizeof cases / sizeof *cases)

static const struct grid grid = {.tile_w = UINT32_MAX, .tile_h = UINT32_MAX};

START_TEST(a_tile_is_an_element_of_even_length_whose_counts_come_last)
{
    size_t counts_len = cases[_i].tile.columns * cases[_i].tile.rows * sizeof(uint16_t);
    uint8_t bytes[WINDOW_HEAD_BYTES + COUNTS * sizeof(uint16_t)], *end = &bytes[WINDOW_HEAD_BYTES];
    Tilery__V1__NextTilesReply *reply;
    const Tilery__V1__TileUpdate *tile;
    size_t len;

    ck_assert_uint_le(counts_len, sizeof bytes - WINDOW_HEAD_BYTES);
    memset(bytes, 0xab, sizeof bytes);
    len = service_pack_tile(&grid, &cases[_i].record, cases[_i].tile, end);
    ck_assert_uint_eq(len % 2, 0);
    reply = tilery__v1__next_tiles_reply__unpack(NULL, len + counts_len, end - len);
    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->n_tiles, 1);
    tile = reply->tiles[0];
    ck_assert_uint_eq(tile->task_id, cases[_i].record.task_id);
    ck_assert_uint_eq(tile->tile_y, cases[_i].tile.y);
    ck_assert_uint_eq(tile->start_time_ns, cases[_i].record.start_ns);
    ck_assert_uint_eq(tile->duration_ms, cases[_i].record.duration_ns / 1000000);
    ck_assert_uint_eq(tile->columns, cases[_i].tile.columns);
    ck_assert_uint_eq(tile->data.len, counts_len);
    ck_assert_mem_eq(tile->data.data, end, counts_len);
    tilery__v1__next_tiles_reply__free_unpacked(reply, NULL);
}
END_TEST

/* Also where a byte more makes the length's own number longer. */
START_TEST(a_tile_of_any_size_is_of_even_length)
{
    uint8_t head[WINDOW_HEAD_BYTES];
    const struct run_record record = {.task_id = _i == 0 ? 5 : 1000};

    for (unsigned columns = 1; columns < 9000; columns++) {
        const struct tile tile = {.columns = columns, .rows = 1};

        ck_assert_uint_eq(service_pack_tile(&grid, &record, tile, head + sizeof head) % 2, 0);
    }
}
END_TEST

START_TEST(the_longest_head_has_room)
{
    uint8_t head[WINDOW_HEAD_BYTES];

    ck_assert_uint_le(
        service_pack_tile(&grid, &cases[CASES - 1].record, cases[CASES - 1].tile, head + sizeof head),
        sizeof head);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("updates");

    tcase_add_loop_test(tests, a_tile_is_an_element_of_even_length_whose_counts_come_last, 0, CASES - 1);
    tcase_add_loop_test(tests, a_tile_of_any_size_is_of_even_length, 0, 2);
    tcase_add_test(tests, the_longest_head_has_room);
    return suite_run("updates", tests);
}
