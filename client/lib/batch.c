#include "batch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "wire/counts.h"
#include "wire/limits.h"
#include "wire/varint.h"

/* Of NextTilesReply and of TileUpdate. */
#define TILES_FIELD 1u
#define DATA_FIELD 9u

void batch_init(struct batch *batch)
{
    *batch = (struct batch){.msg = NULL};
    wire_arena_init(&batch->arena, WIRE_REPLY_ARENA);
    wire_arena_init(&batch->tile_arena, WIRE_REPLY_ARENA);
}

void batch_drop(struct batch *batch)
{
    if (batch->msg != NULL)
        nng_msg_free(batch->msg);
    batch->msg = NULL;
    batch->tiles = batch->taken = 0;
}

void batch_fini(struct batch *batch)
{
    batch_drop(batch);
    wire_arena_fini(&batch->arena);
    wire_arena_fini(&batch->tile_arena);
    free(batch->decoded);
}

/* An element of the list from *at on, which is moved behind it; NULL when there is none. */
static const uint8_t *next_element(const uint8_t **at, const uint8_t *end, size_t *len)
{
    const uint8_t *from = *at, *element;
    uint64_t key, size;

    if (!wire_get_varint(&from, end, &key) || key != WIRE_KEY(TILES_FIELD, WIRE_LENGTH_DELIMITED) ||
        !wire_get_varint(&from, end, &size) || size > (uint64_t)(end - from))
        return NULL;
    element = from;
    *len = size;
    *at = from + size;
    return element;
}

static enum wire_status failed(const struct wire_arena *arena, const char *type, struct wire_error *error)
{
    return wire_unpack_failed(arena, WIRE_INTERNAL, "reply", "the reply's payload", type, error);
}

static enum wire_status read_payload(struct batch *batch, const uint8_t *bytes, size_t len,
                                     struct wire_error *error)
{
    const uint8_t *rest = bytes, *end = bytes + len;
    size_t size;

    while (next_element(&rest, end, &size) != NULL)
        batch->tiles++;
    batch->at = bytes;
    batch->end = rest;
    batch->reply = tilery__v1__next_tiles_reply__unpack(&batch->arena.allocator, (size_t)(end - rest), rest);
    if (batch->reply == NULL)
        return failed(&batch->arena, "tilery.v1.NextTilesReply", error);
    batch->tiles += batch->reply->n_tiles;
    return WIRE_OK;
}

enum wire_status batch_read(struct batch *batch, nng_msg *msg, struct wire_error *error)
{
    struct wire_reply head;

    batch_drop(batch);
    wire_arena_reset(&batch->arena);
    batch->msg = msg;
    if (call_unwrap(msg, &batch->arena, &head, error) != WIRE_OK ||
        read_payload(batch, head.payload, head.payload_len, error) != WIRE_OK) {
        batch_drop(batch);
        return error->status;
    }
    batch->queue_ns = head.queue_ns;
    batch->run_ns = head.run_ns;
    return WIRE_OK;
}

const Tilery__V1__TileUpdate *batch_take(struct batch *batch, struct wire_error *error)
{
    const uint8_t *element, *counts = NULL;
    Tilery__V1__TileUpdate *tile;
    size_t len, head;

    batch->taken++;
    element = next_element(&batch->at, batch->end, &len);
    if (element == NULL)
        return batch->reply->tiles[batch->reply->n_tiles - 1 - (batch->tiles - batch->taken)];
    head = wire_find_last(element, len, DATA_FIELD, &counts);
    wire_arena_reset(&batch->tile_arena);
    tile = tilery__v1__tile_update__unpack(&batch->tile_arena.allocator, head, element);
    if (tile == NULL) {
        (void)failed(&batch->tile_arena, "tilery.v1.NextTilesReply", error);
        return NULL;
    }
    if (counts != NULL) {
        tile->data.len = (size_t)(element + len - counts);
        tile->data.data = (uint8_t *)(uintptr_t)counts;
    }
    return tile;
}

/* ---- Counts ---- */

static bool make_room(struct batch *batch, size_t count)
{
    uint16_t *decoded;

    if (count <= batch->decoded_size)
        return true;
    decoded = malloc(count * sizeof *decoded);
    if (decoded == NULL)
        return false;
    free(batch->decoded);
    batch->decoded = decoded;
    batch->decoded_size = count;
    return true;
}

const uint16_t *batch_counts(struct batch *batch, const Tilery__V1__TileUpdate *tile,
                             struct wire_error *error)
{
    uint64_t count = (uint64_t)tile->columns * tile->rows;
    bool possible = count != 0 && count <= WIRE_MAX_TILE_BYTES / sizeof(uint16_t);
    const uint8_t *data = tile->data.data;
    size_t len = tile->data.len;

    if (possible && tile->encoding == WIRE_UINT16 && len == count * sizeof(uint16_t) &&
        (uintptr_t)data % _Alignof(uint16_t) == 0)
        return (const uint16_t *)(const void *)data;
    if (possible && !make_room(batch, count)) {
        wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for a tile of %" PRIu64 " counts", count);
        return NULL;
    }
    if (possible && wire_counts_decode(tile->encoding, data, len, batch->decoded, count))
        return batch->decoded;
    wire_error_set(error, WIRE_INTERNAL,
                   "task %" PRIu32 " came with %zu bytes for %" PRIu32 " x %" PRIu32 " counts in encoding %d",
                   tile->task_id, len, tile->columns, tile->rows, (int)tile->encoding);
    return NULL;
}
