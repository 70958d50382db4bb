/* OpenStream and NextTiles: the requests, and tiles as TileUpdates, packed one by one. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "service/internal.h"
#include "service/streams.h"
#include "service/window.h"
#include "wire/counts.h"
#include "wire/envelope.h"
#include "wire/limits.h"

#define NS_PER_MS UINT64_C(1000000)
/* Of NextTilesReply and of TileUpdate. */
#define TILES_FIELD 1
#define DATA_FIELD 9

/* ---- NextTilesReply ---- */

/* All but the data. */
static Tilery__V1__TileUpdate tile_update(const struct grid *grid, const struct run_record *record,
                                          struct tile tile)
{
    Tilery__V1__TileUpdate out = TILERY__V1__TILE_UPDATE__INIT;

    out.has_task_id = out.has_thread_id = out.has_tile_x = out.has_tile_y = out.has_tile_w = out.has_tile_h =
        1;
    out.has_start_time_ms = out.has_duration_ms = out.has_start_time_ns = out.has_duration_ns = 1;
    out.has_columns = out.has_rows = 1;
    out.task_id = record->task_id;
    out.thread_id = record->thread_id;
    out.tile_x = tile.x;
    out.tile_y = tile.y;
    out.tile_w = grid->tile_w;
    out.tile_h = grid->tile_h;
    out.start_time_ms = record->start_ns / NS_PER_MS;
    out.duration_ms = record->duration_ns / NS_PER_MS;
    out.start_time_ns = record->start_ns;
    out.duration_ns = record->duration_ns;
    out.columns = tile.columns;
    out.rows = tile.rows;
    return out;
}

struct window_packed service_pack_tile(const struct grid *grid, const struct run_record *record,
                                       struct tile tile, unsigned encodings, uint16_t *counts)
{
    Tilery__V1__TileUpdate update = tile_update(grid, record, tile);
    uint8_t head[WINDOW_HEAD_BYTES];
    struct window_packed packed;

    update.encoding = wire_counts_encode(counts, (size_t)tile.columns * tile.rows, encodings, &packed.counts);
    update.has_encoding = update.encoding != WIRE_UINT16;
    packed.head =
        (size_t)(wire_element_pack_head(TILES_FIELD, &update.base, DATA_FIELD, packed.counts, head) - head);
    memcpy((uint8_t *)counts - packed.head, head, packed.head);
    return packed;
}

struct tiles_reply {
    const struct window_batch *batch;
    Tilery__V1__NextTilesReply rest; /* all but the tiles */
    struct summary_message summary;
};

static void write_tiles(void *arg, uint8_t *out)
{
    const struct tiles_reply *reply = arg;

    for (size_t i = 0; i < reply->batch->count; i++) {
        const struct window_tile *tile = window_batch_tile(reply->batch, i);

        memcpy(out, tile->bytes, tile->len);
        out += tile->len;
    }
    (void)protobuf_c_message_pack(&reply->rest.base, out);
}

void service_reply_tiles(struct rpc_call *call, const struct run *run, const struct window_batch *batch)
{
    struct tiles_reply reply = {.batch = batch};
    size_t size;

    tilery__v1__next_tiles_reply__init(&reply.rest);
    reply.rest.has_next_cursor = reply.rest.has_done = 1;
    reply.rest.next_cursor = batch->next_cursor;
    reply.rest.done = batch->done;
    if (batch->done) {
        service_summary(run, &reply.summary);
        reply.rest.summary = &reply.summary.message;
    }
    size = batch->bytes + protobuf_c_message_get_packed_size(&reply.rest.base);
    rpc_call_set_items(call, batch->count);
    rpc_call_reply_packed(call, size, write_tiles, &reply);
}

/* ---- The handlers ---- */

static enum wire_status check_tile_bytes(const struct run_spec *spec, struct wire_error *error)
{
    struct tile tile = grid_tile(&spec->grid, 0); /* the first is a largest one */
    uint64_t bytes = (uint64_t)tile.columns * tile.rows * sizeof(uint16_t);

    if (bytes <= WIRE_MAX_TILE_BYTES)
        return WIRE_OK;
    return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                          "tile_w and tile_h make tiles of %llu bytes; a streamed one may have at most %llu",
                          (unsigned long long)bytes, (unsigned long long)WIRE_MAX_TILE_BYTES);
}

/* Of a stream whose caller gave it no name. */
static void random_id(char *id)
{
    unsigned char bytes[16] = {0};

    (void)!getentropy(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(&id[2 * i], 3, "%02x", bytes[i]);
}

/* Those it knows, and the server too. */
static unsigned accepted(const Tilery__V1__OpenStreamRequest *open)
{
    unsigned set = 0;

    for (size_t i = 0; i < open->n_accept; i++)
        if (open->accept[i] == WIRE_UINT8 || open->accept[i] == WIRE_UNIFORM)
            set |= WIRE_ENCODING(open->accept[i]);
    return set;
}

void service_open_stream(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    const Tilery__V1__OpenStreamRequest *open = (const Tilery__V1__OpenStreamRequest *)(const void *)request;
    static const Tilery__V1__ComputeRequest defaults = TILERY__V1__COMPUTE_REQUEST__INIT;
    struct service *service = context;
    Tilery__V1__OpenStreamReply reply = TILERY__V1__OPEN_STREAM_REPLY__INIT;
    char id[WIRE_MAX_REQUEST_ID + 1];
    struct run_spec spec;
    struct wire_error error;

    (void)snprintf(id, sizeof id, "%s", rpc_call_request_id(call));
    if (id[0] == '\0')
        random_id(id);
    if (service_read_request(open->compute != NULL ? open->compute : &defaults, &spec, &error) != WIRE_OK ||
        check_tile_bytes(&spec, &error) != WIRE_OK ||
        streams_open(service->streams, call, id, &spec, accepted(open), &error) != WIRE_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    reply.has_tiles_planned = reply.has_lease_ms = 1;
    reply.stream_id = id;
    reply.tiles_planned = spec.task_count;
    reply.lease_ms = streams_lease_ms();
    rpc_call_reply(call, &reply.base);
    service_arrived(service, id, true);
}

void service_next_tiles(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    const Tilery__V1__NextTilesRequest *next = (const Tilery__V1__NextTilesRequest *)(const void *)request;
    const struct service *service = context;
    uint64_t max_bytes = next->max_bytes < WIRE_MAX_TILE_BYTES ? next->max_bytes : WIRE_MAX_TILE_BYTES;

    rpc_call_set_target(call, next->stream_id);
    streams_next(service->streams, call, next->stream_id != NULL ? next->stream_id : "", next->cursor,
                 max_bytes, next->wait_ms);
}
