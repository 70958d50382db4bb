/* A frame that a server sent, after a byte that chooses the method it answers. */
#include "fuzz.h"

#include <string.h>

#include <nng/nng.h>

#include "batch.h"
#include "internal.h"
#include "wire/limits.h"

#include "server.pb-c.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &tilery__v1__compute_reply__descriptor,      &tilery__v1__open_stream_reply__descriptor,
    &tilery__v1__next_tiles_reply__descriptor,   &tilery__v1__cancel_reply__descriptor,
    &tilery__v1__health_check_reply__descriptor, &tilery__v1__info_reply__descriptor};

#define TYPES (sizeof types / sizeof *types)
#define TILES 2 /* its place */

static nng_msg *copy_of(const uint8_t *bytes, size_t len)
{
    nng_msg *msg;

    require(nng_msg_alloc(&msg, 0) == 0);
    require(nng_msg_append(msg, bytes, len) == 0);
    return msg;
}

/* The tiles, as a stream's reader takes them. */
static void take_tiles(nng_msg *msg)
{
    struct wire_error error = {.status = WIRE_OK};
    struct batch batch;

    batch_init(&batch);
    if (batch_read(&batch, msg, &error) != WIRE_OK)
        require(error.status != WIRE_OK && !batch_has_more(&batch));
    while (batch_has_more(&batch)) {
        const Tilery__V1__TileUpdate *tile = batch_take(&batch, &error);
        const uint16_t *counts = tile != NULL ? batch_counts(&batch, tile, &error) : NULL;

        require(counts != NULL ? (uintptr_t)counts % _Alignof(uint16_t) == 0 : error.status != WIRE_OK);
    }
    batch_fini(&batch);
}

void fuzz_one(const uint8_t *bytes, size_t len)
{
    ProtobufCMessage *payload;
    struct wire_arena arena;
    struct wire_reply head;
    struct wire_error error;

    if (len == 0)
        return;
    if (bytes[0] % TYPES == TILES)
        take_tiles(copy_of(&bytes[1], len - 1));
    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    if (call_decode(copy_of(&bytes[1], len - 1), types[bytes[0] % TYPES], &arena, &head, &payload, &error) !=
        WIRE_OK)
        require(payload == NULL && error.status != WIRE_OK);
    else
        require(payload != NULL && payload->descriptor == types[bytes[0] % TYPES]);
    require(arena.taken <= WIRE_REQUEST_ARENA);
    wire_arena_fini(&arena);
}

/* With its counts at its end, as our server packs it. */
static uint8_t *put_tile(uint8_t *out)
{
    static const uint16_t counts[] = {1, 2, 3};
    Tilery__V1__TileUpdate tile = TILERY__V1__TILE_UPDATE__INIT;

    tile.has_duration_ns = 1;
    tile.duration_ns = 1000;
    out = wire_element_pack_head(1, &tile.base, 9, sizeof counts, out);
    memcpy(out, counts, sizeof counts);
    return out + sizeof counts;
}

/* Two records and a tile in one: what a type does not know is passed over. */
static size_t pack_payload(size_t number, uint8_t *out)
{
    Tilery__V1__TaskRecord record = TILERY__V1__TASK_RECORD__INIT;
    Tilery__V1__ThreadSummary thread = TILERY__V1__THREAD_SUMMARY__INIT, *threads[] = {&thread};
    Tilery__V1__Summary summary = TILERY__V1__SUMMARY__INIT;
    uint8_t *end = out;

    record.has_task_id = record.has_tile_w = record.has_start_time_ns = 1;
    record.task_id = (uint32_t)number;
    record.start_time_ns = UINT64_C(1) << 40;
    end = wire_element_pack(1, &record.base, end);
    end = wire_element_pack(1, &record.base, end);
    thread.has_busy_ns = summary.has_imbalance = 1;
    summary.threads = threads;
    summary.n_threads = 1;
    summary.kernel = (char *)(uintptr_t) "scalar";
    end = wire_element_pack(number % 2 ? 2 : 4, &summary.base, end);
    if (number % TYPES == TILES)
        end = put_tile(out);
    return (size_t)(end - out);
}

size_t fuzz_seed(size_t number, uint8_t *out)
{
    const struct wire_reply head = {.status = number < TYPES ? WIRE_OK : WIRE_RESOURCE_EXHAUSTED,
                                    .message = number < TYPES ? "" : "no room; try again",
                                    .queue_ns = number,
                                    .run_ns = UINT64_MAX};
    uint8_t payload[512];
    size_t len = pack_payload(number, payload);
    uint8_t *place;

    if (number >= 2 * TYPES)
        return 0;
    out[0] = (uint8_t)number;
    place = wire_reply_pack(&head, len, &out[1]);
    for (size_t i = 0; i < len; i++)
        place[i] = payload[i];
    return 1 + wire_reply_size(&head, len);
}
