/* A streamed tile, as it is packed in front of its counts. */
#include <string.h>

#include "service/internal.h"
#include "service/window.h"
#include "suite.h"
#include "wire/counts.h"

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

/* A tile's counts, with room for its head before them. */
static struct {
    uint8_t head[WINDOW_HEAD_BYTES];
    uint16_t counts[COUNTS];
} place;

static struct window_packed pack(const struct run_record *record, struct tile tile, unsigned encodings)
{
    return service_pack_tile(&grid, record, tile, encodings, place.counts);
}

/* The reply that holds the packed tile alone. */
static Tilery__V1__NextTilesReply *unpack(struct window_packed packed)
{
    Tilery__V1__NextTilesReply *reply = tilery__v1__next_tiles_reply__unpack(
        NULL, packed.head + packed.counts, (const uint8_t *)place.counts - packed.head);

    ck_assert_ptr_nonnull(reply);
    ck_assert_uint_eq(reply->n_tiles, 1);
    return reply;
}

START_TEST(a_tile_is_an_element_of_even_length_whose_counts_come_last)
{
    size_t count = cases[_i].tile.columns * cases[_i].tile.rows;
    Tilery__V1__NextTilesReply *reply;
    const Tilery__V1__TileUpdate *tile;
    struct window_packed packed;

    ck_assert_uint_le(count, COUNTS);
    memset(&place, 0xab, sizeof place);
    packed = pack(&cases[_i].record, cases[_i].tile, 0);
    ck_assert_uint_eq(packed.head % 2, 0);
    ck_assert_uint_eq(packed.counts, count * sizeof(uint16_t));
    reply = unpack(packed);
    tile = reply->tiles[0];
    ck_assert_uint_eq(tile->task_id, cases[_i].record.task_id);
    ck_assert_uint_eq(tile->tile_y, cases[_i].tile.y);
    ck_assert_uint_eq(tile->start_time_ns, cases[_i].record.start_ns);
    ck_assert_uint_eq(tile->duration_ms, cases[_i].record.duration_ns / 1000000);
    ck_assert_uint_eq(tile->columns, cases[_i].tile.columns);
    ck_assert(!tile->has_encoding);
    ck_assert_uint_eq(tile->data.len, packed.counts);
    for (size_t i = 0; i < packed.counts; i++)
        ck_assert_uint_eq(tile->data.data[i], 0xab);
    tilery__v1__next_tiles_reply__free_unpacked(reply, NULL);
}
END_TEST

START_TEST(a_tile_is_packed_as_short_as_its_reader_accepts)
{
    static const struct {
        uint16_t first, others;
        unsigned set;
        wire_encoding encoding;
        size_t len;
    } rows[] = {{255, 7, WIRE_ENCODING(WIRE_UINT8), WIRE_UINT8, 10000},
                {256, 7, WIRE_ENCODING(WIRE_UINT8), WIRE_UINT16, 20000},
                {7, 7, WIRE_ENCODING(WIRE_UNIFORM), WIRE_UNIFORM, 2},
                {255, 7, WIRE_ENCODING(WIRE_UNIFORM), WIRE_UINT16, 20000},
                {7, 7, ~0u, WIRE_UNIFORM, 2},
                {256, 256, ~0u, WIRE_UNIFORM, 2},
                {7, 7, WIRE_ENCODING(WIRE_UINT8), WIRE_UINT8, 10000}};
    const struct tile tile = {.columns = 100, .rows = 100};
    Tilery__V1__NextTilesReply *reply;
    uint16_t counts[10000];

    for (size_t i = 0; i < 10000; i++)
        place.counts[i] = i == 0 ? rows[_i].first : rows[_i].others;
    reply = unpack(pack(&cases[1].record, tile, rows[_i].set));
    ck_assert_int_eq(reply->tiles[0]->encoding, rows[_i].encoding);
    ck_assert_uint_eq(reply->tiles[0]->data.len, rows[_i].len);
    ck_assert(wire_counts_decode(rows[_i].encoding, reply->tiles[0]->data.data, rows[_i].len, counts, 10000));
    for (size_t i = 0; i < 10000; i++)
        ck_assert_uint_eq(counts[i], i == 0 ? rows[_i].first : rows[_i].others);
    tilery__v1__next_tiles_reply__free_unpacked(reply, NULL);
}
END_TEST

/* Also where a byte more makes the length's own number longer. */
START_TEST(a_tile_of_any_size_is_of_even_length)
{
    const struct run_record record = {.task_id = _i == 0 ? 5 : 1000};

    for (unsigned columns = 1; columns < 9000; columns++) {
        const struct tile tile = {.columns = columns, .rows = 1};

        ck_assert_uint_eq(pack(&record, tile, 0).head % 2, 0);
    }
}
END_TEST

/* So many counts there are not, so that they are packed as they are: an encoding takes two bytes more. */
START_TEST(the_longest_head_has_room)
{
    ck_assert_uint_le(pack(&cases[CASES - 1].record, cases[CASES - 1].tile, 0).head + 2, sizeof place.head);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("updates");

    tcase_add_loop_test(tests, a_tile_is_an_element_of_even_length_whose_counts_come_last, 0, CASES - 1);
    tcase_add_loop_test(tests, a_tile_is_packed_as_short_as_its_reader_accepts, 0, 7);
    tcase_add_loop_test(tests, a_tile_of_any_size_is_of_even_length, 0, 2);
    tcase_add_test(tests, the_longest_head_has_room);
    return suite_run("updates", tests);
}
