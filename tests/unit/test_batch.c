/* NextTiles replies: as our server packs them, as others may, and what is none. */
#include "batch.h"

#include <string.h>

#include "suite.h"
#include "wire/counts.h"
#include "wire/varint.h"

#define TILES 3
#define COUNTS 4
#define FRAME_BYTES 512

static const uint16_t counts[TILES][COUNTS] = {{1, 2, 3, 4}, {500, 6000, 65535, 0}, {9, 10, 11, 12}};

/* How a tile is packed. */
enum order { DATA_LAST, BY_NUMBER };

/* The second has a longer head, which moves all behind it by a byte. */
static Tilery__V1__TileUpdate update_of(uint32_t i)
{
    Tilery__V1__TileUpdate update = TILERY__V1__TILE_UPDATE__INIT;

    update.has_task_id = update.has_columns = update.has_rows = update.has_duration_ns = 1;
    update.task_id = i;
    update.columns = update.rows = 2;
    update.duration_ns = i == 1 ? 200 : 100;
    return update;
}

static uint8_t *put_tile(uint32_t i, enum order order, uint8_t *out)
{
    Tilery__V1__TileUpdate update = update_of(i);

    if (order == DATA_LAST) {
        out = wire_element_pack_head(1, &update.base, 9, sizeof counts[i], out);
        memcpy(out, counts[i], sizeof counts[i]);
        return out + sizeof counts[i];
    }
    update.has_data = 1;
    update.data.data = (uint8_t *)(uintptr_t)counts[i];
    update.data.len = sizeof counts[i];
    return wire_element_pack(1, &update.base, out);
}

static uint8_t *put_rest(uint8_t *out)
{
    Tilery__V1__NextTilesReply rest = TILERY__V1__NEXT_TILES_REPLY__INIT;

    rest.has_next_cursor = rest.has_done = 1;
    rest.next_cursor = 7;
    rest.done = 1;
    return out + protobuf_c_message_pack(&rest.base, out);
}

/* A reply around the payload, whose first byte lies at an address that is even or odd. */
static nng_msg *frame(const uint8_t *payload, const uint8_t *end, size_t odd)
{
    static const char *const messages[] = {"", "x"}; /* three bytes more */
    struct wire_reply head = {.status = WIRE_OK, .queue_ns = 1, .run_ns = 2};
    size_t len = (size_t)(end - payload);
    uint8_t *place;
    nng_msg *msg;

    for (size_t i = 0; i < 2; i++) {
        head.message = messages[i];
        ck_assert_int_eq(nng_msg_alloc(&msg, wire_reply_size(&head, len)), 0);
        place = wire_reply_pack(&head, len, nng_msg_body(msg));
        memcpy(place, payload, len);
        if ((uintptr_t)place % 2 == odd)
            return msg;
        nng_msg_free(msg);
    }
    ck_abort_msg("the payload lies where it lies");
}

static void check_tiles(struct batch *batch, const uint8_t *payload, const uint8_t *end)
{
    for (size_t odd = 0; odd < 2; odd++) {
        struct wire_error error;

        ck_assert_int_eq(batch_read(batch, frame(payload, end, odd), &error), WIRE_OK);
        ck_assert_uint_eq(batch->tiles, TILES);
        ck_assert_uint_eq(batch->reply->next_cursor, 7);
        ck_assert(batch->reply->done);
        ck_assert_uint_eq(batch->queue_ns, 1);
        for (uint32_t i = 0; i < TILES; i++) {
            const Tilery__V1__TileUpdate *tile;
            const uint16_t *given;

            ck_assert(batch_has_more(batch));
            tile = batch_take(batch, &error);
            ck_assert_ptr_nonnull(tile);
            ck_assert_uint_eq(tile->task_id, i);
            ck_assert_uint_eq(tile->rows, 2);
            given = batch_counts(batch, tile, &error);
            ck_assert_ptr_nonnull(given);
            ck_assert_uint_eq((uintptr_t)given % _Alignof(uint16_t), 0);
            ck_assert_mem_eq(given, counts[i], sizeof counts[i]);
        }
        ck_assert(!batch_has_more(batch));
    }
}

START_TEST(tiles_come_whole_however_they_are_packed)
{
    uint8_t payload[FRAME_BYTES], *end = payload;
    struct batch batch;

    batch_init(&batch);
    for (uint32_t i = 0; i < TILES; i++)
        end = put_tile(i, _i == 0 ? DATA_LAST : _i == 1 ? BY_NUMBER : (enum order)(i % 2), end);
    check_tiles(&batch, payload, put_rest(end));
    batch_fini(&batch);
}
END_TEST

START_TEST(tiles_may_come_before_and_after_the_rest)
{
    uint8_t payload[FRAME_BYTES], *end = payload;
    struct batch batch;

    batch_init(&batch);
    for (uint32_t i = 0; i < TILES; i++) {
        if (i == (uint32_t)_i)
            end = put_rest(end);
        end = put_tile(i, DATA_LAST, end);
    }
    check_tiles(&batch, payload, end);
    batch_fini(&batch);
}
END_TEST

/* Where the reply's last byte is missing, or more of them, it is no reply, or one with a broken tile. */
START_TEST(a_reply_that_is_cut_is_refused)
{
    uint8_t payload[FRAME_BYTES];
    const uint8_t *end = put_tile(0, DATA_LAST, payload);
    struct wire_error error;
    struct batch batch;

    batch_init(&batch);
    for (const uint8_t *cut = payload + 1; cut < end; cut++) {
        ck_assert_int_eq(batch_read(&batch, frame(payload, cut, 0), &error), WIRE_INTERNAL);
        ck_assert(!batch_has_more(&batch));
    }
    batch_fini(&batch);
}
END_TEST

START_TEST(a_tile_that_is_none_is_refused_when_it_is_taken)
{
    static const uint8_t broken[] = {1 << 3 | WIRE_LENGTH_DELIMITED, 2, 0x08, 0x80};
    uint8_t payload[FRAME_BYTES], *end = put_tile(0, DATA_LAST, payload);
    struct wire_error error;
    struct batch batch;

    batch_init(&batch);
    memcpy(end, broken, sizeof broken);
    ck_assert_int_eq(batch_read(&batch, frame(payload, end + sizeof broken, 0), &error), WIRE_OK);
    ck_assert_uint_eq(batch.tiles, 2);
    ck_assert_ptr_nonnull(batch_take(&batch, &error));
    ck_assert_ptr_null(batch_take(&batch, &error));
    ck_assert_int_eq(error.status, WIRE_INTERNAL);
    batch_fini(&batch);
}
END_TEST

START_TEST(a_failure_is_told_and_leaves_no_tiles)
{
    const struct wire_reply head = {.status = WIRE_NOT_FOUND, .message = "there is no stream"};
    uint8_t payload[FRAME_BYTES], *end = put_tile(0, DATA_LAST, payload);
    struct wire_error error;
    struct batch batch;
    nng_msg *msg;

    batch_init(&batch);
    ck_assert_int_eq(batch_read(&batch, frame(payload, end, 0), &error), WIRE_OK);
    ck_assert_int_eq(nng_msg_alloc(&msg, wire_reply_size(&head, 0)), 0);
    (void)wire_reply_pack(&head, 0, nng_msg_body(msg));
    ck_assert_int_eq(batch_read(&batch, msg, &error), WIRE_NOT_FOUND);
    ck_assert_str_eq(error.message, head.message);
    ck_assert(!batch_has_more(&batch));
    batch_fini(&batch);
}
END_TEST

/* ---- Counts ---- */

/* A tile of three counts, which claims another size, or another encoding, than its data has. */
static const struct {
    uint32_t columns, rows;
    int encoding;
    size_t len;
    const char *message; /* NULL: it is as it says */
} claims[] = {
    {3, 1, WIRE_UINT16, 6, NULL},
    {3, 1, WIRE_UINT16, 5, "5 bytes for 3 x 1 counts in encoding 1"},
    {3, 1, WIRE_UINT16, 7, "7 bytes for 3 x 1 counts in encoding 1"},
    {1, 3, WIRE_UINT8, 3, NULL},
    {3, 1, WIRE_UINT8, 2, "2 bytes for 3 x 1 counts in encoding 2"},
    {3, 1, WIRE_UINT8, 6, "6 bytes for 3 x 1 counts in encoding 2"},
    {3, 1, WIRE_UNIFORM, 2, NULL},
    {3, 1, WIRE_UNIFORM, 1, "1 bytes for 3 x 1 counts in encoding 3"},
    {3, 1, WIRE_UNIFORM, 3, "3 bytes for 3 x 1 counts in encoding 3"},
    {4096, 4096, WIRE_UNIFORM, 2, NULL},
    {4096, 4097, WIRE_UNIFORM, 2, "2 bytes for 4096 x 4097 counts in encoding 3"},
    {UINT32_MAX, UINT32_MAX, WIRE_UNIFORM, 2, "2 bytes for 4294967295 x 4294967295 counts in encoding 3"},
    {0, 1, WIRE_UINT16, 0, "0 bytes for 0 x 1 counts in encoding 1"},
    {0, 0, WIRE_UNIFORM, 2, "2 bytes for 0 x 0 counts in encoding 3"},
    {3, 1, 0, 6, "6 bytes for 3 x 1 counts in encoding 0"},
    {3, 1, 4, 6, "6 bytes for 3 x 1 counts in encoding 4"},
    {3, 1, -1, 6, "6 bytes for 3 x 1 counts in encoding -1"},
};

START_TEST(data_that_is_not_as_many_counts_is_refused)
{
    uint8_t data[8] = {1, 0, 1, 0, 1, 0, 1, 0};
    Tilery__V1__TileUpdate tile = TILERY__V1__TILE_UPDATE__INIT;
    struct wire_error error;
    struct batch batch;
    const uint16_t *given;

    batch_init(&batch);
    tile.columns = claims[_i].columns;
    tile.rows = claims[_i].rows;
    tile.encoding = (Tilery__V1__Encoding)claims[_i].encoding;
    tile.data.data = data;
    tile.data.len = claims[_i].len;
    given = batch_counts(&batch, &tile, &error);
    if (claims[_i].message == NULL) {
        ck_assert_ptr_nonnull(given);
        ck_assert_uint_eq(given[0], 1);
        ck_assert_uint_eq(given[1], tile.encoding == WIRE_UINT8 ? 0 : 1);
        ck_assert_uint_eq(given[(size_t)tile.columns * tile.rows - 1], 1);
    } else {
        ck_assert_ptr_null(given);
        ck_assert_int_eq(error.status, WIRE_INTERNAL);
        ck_assert_ptr_nonnull(strstr(error.message, claims[_i].message));
    }
    batch_fini(&batch);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("batch");

    tcase_add_loop_test(tests, tiles_come_whole_however_they_are_packed, 0, 3);
    tcase_add_loop_test(tests, tiles_may_come_before_and_after_the_rest, 0, TILES);
    tcase_add_test(tests, a_reply_that_is_cut_is_refused);
    tcase_add_test(tests, a_tile_that_is_none_is_refused_when_it_is_taken);
    tcase_add_test(tests, a_failure_is_told_and_leaves_no_tiles);
    tcase_add_loop_test(tests, data_that_is_not_as_many_counts_is_refused, 0, sizeof claims / sizeof *claims);
    return suite_run("batch", tests);
}
