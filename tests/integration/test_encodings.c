/* How the counts of a stream's tiles come, by what its reader accepts: shorter, and the very same. */
#include <string.h>

#include "picture.h"
#include "raw.h"
#include "served.h"
#include "suite.h"
#include "wire/counts.h"

#define MIB (UINT64_C(1) << 20)

/* Outside of the set, on its edge and inside; clipped tiles of odd sizes, too. */
#define WIDTH 301
#define HEIGHT 203
#define TILE 15
#define MAX_ITER 1000

static struct raw raw;

static void tear_down(void)
{
    raw_close(&raw);
    served_end();
}

/* What one reader gets. */
struct got {
    size_t tiles[WIRE_UNIFORM + 1], bytes;
    uint16_t counts[HEIGHT][WIDTH];
};

static void put(struct got *got, const Tilery__V1__TileUpdate *tile)
{
    uint16_t counts[TILE * TILE];

    ck_assert(tile->encoding >= WIRE_UINT16 && tile->encoding <= WIRE_UNIFORM);
    ck_assert_uint_le(tile->columns * tile->rows, TILE * TILE);
    ck_assert(wire_counts_decode(tile->encoding, tile->data.data, tile->data.len, counts,
                                 (size_t)tile->columns * tile->rows));
    got->tiles[tile->encoding]++;
    got->bytes += tile->data.len;
    for (uint32_t y = 0; y < tile->rows; y++)
        memcpy(&got->counts[tile->tile_y + y][tile->tile_x], &counts[y * tile->columns],
               tile->columns * sizeof *counts);
}

static void get(struct got *got, const Tilery__V1__Encoding *accept, size_t accepts)
{
    const Tilery__V1__ComputeRequest request = raw_request(WIDTH, HEIGHT, TILE, MAX_ITER);
    struct raw_poll poll = {"mine", 0, MIB, 5000};

    memset(got, 0, sizeof *got);
    for (raw.accepts = 0; raw.accepts < accepts; raw.accepts++)
        raw.accept[raw.accepts] = accept[raw.accepts];
    ck_assert_int_eq(raw_open_stream(&raw, &request, poll.id), WIRE_OK);
    do {
        ck_assert_int_eq(raw_next(&raw, poll), WIRE_OK);
        for (size_t i = 0; i < raw_tiles(&raw)->n_tiles; i++)
            put(got, raw_tiles(&raw)->tiles[i]);
        poll.cursor = raw_tiles(&raw)->next_cursor;
    } while (!raw_tiles(&raw)->done);
    ck_assert(raw_cancel(&raw, poll.id));
}

static const struct {
    Tilery__V1__Encoding accept[4];
    size_t accepts;
    unsigned come; /* besides ENCODING_UINT16 */
} cases[] = {
    {{WIRE_UINT8, WIRE_UNIFORM}, 2, WIRE_ENCODING(WIRE_UINT8) | WIRE_ENCODING(WIRE_UNIFORM)},
    {{WIRE_UINT8}, 1, WIRE_ENCODING(WIRE_UINT8)},
    {{WIRE_UNIFORM}, 1, WIRE_ENCODING(WIRE_UNIFORM)},
    {{WIRE_UINT16, WIRE_UINT8, WIRE_UINT8}, 3, WIRE_ENCODING(WIRE_UINT8)},
    {{(Tilery__V1__Encoding)-1, (Tilery__V1__Encoding)0, (Tilery__V1__Encoding)4, (Tilery__V1__Encoding)99},
     4,
     0},
};
#define CASES (int)(sizeof cases / sizeof *cases)

START_TEST(who_accepts_more_gets_the_same_image_in_fewer_bytes)
{
    static struct got all, got;

    served_start(_i / CASES, 4, 8);
    raw_open(&raw, served.url);
    get(&all, NULL, 0);
    ck_assert_uint_eq(all.bytes, WIDTH * HEIGHT * sizeof(uint16_t));
    ck_assert_uint_eq(all.tiles[WIRE_UINT16], 21 * 14);
    get(&got, cases[_i % CASES].accept, cases[_i % CASES].accepts);
    ck_assert(memcmp(got.counts, all.counts, sizeof all.counts) == 0);
    for (unsigned encoding = WIRE_UINT8; encoding <= WIRE_UNIFORM; encoding++)
        ck_assert_int_eq(got.tiles[encoding] != 0, (cases[_i % CASES].come & WIRE_ENCODING(encoding)) != 0);
    ck_assert_uint_gt(got.tiles[WIRE_UINT16], 0);
    ck_assert_int_eq(got.bytes < all.bytes, cases[_i % CASES].come != 0);
}
END_TEST

START_TEST(a_client_gets_the_image_in_fewer_bytes_than_its_counts_have)
{
    struct tilery_compute_request request = served_request(WIDTH, HEIGHT, TILE, TILE, 2);
    struct picture picture;
    tilery_stream *stream;
    uint64_t before;

    request.max_iter = MAX_ITER;
    picture = picture_of(&request);
    served_start(_i, 4, 8);
    raw_open(&raw, served.url);
    before = served_stats().bytes_sent;
    check_status(tilery_stream_open(served.client, &request, NULL, &stream, &served.error), TILERY_OK);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    tilery_stream_close(stream);
    ck_assert_uint_lt(served_stats().bytes_sent - before, WIDTH * HEIGHT * sizeof(uint16_t));
    picture_free(&picture);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("encodings");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, who_accepts_more_gets_the_same_image_in_fewer_bytes, 0, TRANSPORTS * CASES);
    tcase_add_loop_test(tests, a_client_gets_the_image_in_fewer_bytes_than_its_counts_have, 0, TRANSPORTS);
    return suite_run("encodings", tests);
}
