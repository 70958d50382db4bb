/* Streams: opened, read tile by tile, closed. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "wire/clock.h"

#define CANCEL_TIMEOUT_MS 1000

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "counts are handed out as they came");

typedef Tilery__V1__NextTilesReply NextTilesReply;
typedef Tilery__V1__TileUpdate TileUpdate;

/* ---- Batches ---- */

static enum wire_status check_batch(const tilery_stream *stream, const NextTilesReply *batch,
                                    struct wire_error *error)
{
    if (batch->n_tiles > stream->run_tiles - stream->cursor)
        return wire_error_set(error, WIRE_INTERNAL,
                              "%" PRIu64 " tiles and %zu more came where %" PRIu64 " are planned",
                              stream->cursor, batch->n_tiles, stream->run_tiles);
    if (batch->next_cursor != stream->cursor + batch->n_tiles)
        return wire_error_set(error, WIRE_INTERNAL,
                              "the stream goes on at %" PRIu64 " after %zu tiles from %" PRIu64 " on",
                              batch->next_cursor, batch->n_tiles, stream->cursor);
    return WIRE_OK;
}

static enum wire_status read_batch(tilery_stream *stream, nng_msg *msg, struct wire_error *error)
{
    ProtobufCMessage *reply;
    const NextTilesReply *batch;
    struct wire_reply head;

    wire_arena_reset(&stream->arena);
    stream->batch = NULL;
    stream->next = 0;
    if (call_decode(msg, &tilery__v1__next_tiles_reply__descriptor, &stream->arena, &head, &reply, error) !=
        WIRE_OK)
        return error->status;
    batch = (const NextTilesReply *)(const void *)reply;
    if (check_batch(stream, batch, error) != WIRE_OK)
        return error->status;
    stream->batch = batch;
    stream->cursor = batch->next_cursor;
    stream->done = batch->done;
    stream->connections = stream->poll_connections;
    stream_heard(stream);
    if (batch->done && batch->summary != NULL)
        call_make_printable(batch->summary->kernel);
    else if (!batch->done && batch->n_tiles == 0)
        poll_pause(); /* it should have waited; if it does not, this does */
    else if (!batch->done)
        poll_start(stream);
    return WIRE_OK;
}

/* The next batch, from the poll under way or a new one; or the end. */
static enum wire_status fetch(tilery_stream *stream, struct wire_error *error)
{
    for (;;) {
        nng_msg *msg;

        if (!stream->polling)
            poll_start(stream);
        msg = poll_wait(stream, error);
        if (msg != NULL && read_batch(stream, msg, error) == WIRE_OK)
            return WIRE_OK;
        if (stream_recover(stream, msg != NULL, error) != WIRE_OK)
            return error->status;
        if (stream->done)
            return WIRE_OK;
    }
}

/* ---- Tiles ---- */

/* Gives whether it is one that has not been delivered. */
static enum wire_status take(tilery_stream *stream, const TileUpdate *update, bool *fresh,
                             struct wire_error *error)
{
    uint64_t task, end_ns = update->start_time_ns + update->duration_ns;

    if (plan_check(&stream->plan, update, error) != WIRE_OK)
        return error->status;
    if (stream->run_ns < end_ns)
        stream->run_ns = end_ns;
    task = update->task_id - stream->plan.first;
    *fresh = !stream_has_delivered(stream, task);
    if (!*fresh && !stream->moved)
        return wire_error_set(error, WIRE_INTERNAL, "task %" PRIu32 " came twice", update->task_id);
    if (*fresh) {
        stream->delivered[task / 8] |= (uint8_t)(1u << task % 8);
        stream->received++;
        stream->moves = 0;
    }
    return WIRE_OK;
}

static const struct tilery_tile *show(tilery_stream *stream, const TileUpdate *update)
{
    stream->tile = (struct tilery_tile){.task_id = update->task_id,
                                        .thread_id = update->thread_id,
                                        .tile_x = update->tile_x,
                                        .tile_y = update->tile_y,
                                        .tile_w = update->tile_w,
                                        .tile_h = update->tile_h,
                                        .columns = update->columns,
                                        .rows = update->rows,
                                        .start_time_ms = update->start_time_ms,
                                        .duration_ms = update->duration_ms,
                                        .start_time_ns = update->start_time_ns,
                                        .duration_ns = update->duration_ns,
                                        .counts = (const uint16_t *)(const void *)update->data.data};
    return &stream->tile;
}

/* *out is NULL at the end. */
static enum wire_status next_tile(tilery_stream *stream, const TileUpdate **out, struct wire_error *error)
{
    const TileUpdate *update;
    bool fresh = false;

    *out = NULL;
    while (!fresh) {
        while (stream->batch == NULL || stream->next == stream->batch->n_tiles) {
            if (stream->done)
                return WIRE_OK;
            if (fetch(stream, error) != WIRE_OK)
                return error->status;
        }
        update = stream->batch->tiles[stream->next++];
        if (take(stream, update, &fresh, error) != WIRE_OK)
            return error->status;
    }
    *out = update;
    return WIRE_OK;
}

enum tilery_status tilery_stream_next(tilery_stream *stream, const struct tilery_tile **out,
                                      struct tilery_error *error)
{
    const TileUpdate *update;
    struct wire_error why;

    *out = NULL;
    if (stream->error.status != WIRE_OK)
        return call_error(error, &stream->error);
    if (next_tile(stream, &update, &why) != WIRE_OK) {
        stream->error = why;
        return call_error(error, &why);
    }
    if (update != NULL)
        *out = show(stream, update);
    return TILERY_OK;
}

/* ---- Open and close ---- */

static void free_stream(tilery_stream *stream)
{
    wire_arena_fini(&stream->arena);
    pthread_cond_destroy(&stream->polled);
    pthread_mutex_destroy(&stream->mutex);
    free(stream->delivered);
    free(stream->kernel);
    free(stream);
}

static tilery_stream *new_stream(tilery_client *client, const struct tilery_compute_request *request,
                                 const struct tilery_call_options *options)
{
    tilery_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    stream->client = client;
    stream->request = *request;
    stream->time_limit_ms = request->time_limit_ms;
    stream->plan = plan_of(request);
    stream->deadline_ns = options->timeout_ms != 0 ? wire_after_ms(options->timeout_ms) : UINT64_MAX;
    wire_arena_init(&stream->arena, WIRE_REPLY_ARENA);
    pthread_mutex_init(&stream->mutex, NULL);
    pthread_cond_init(&stream->polled, NULL);
    if (options->request_id != NULL)
        (void)snprintf(stream->id, sizeof stream->id, "%s", options->request_id);
    stream->delivered = calloc(stream->plan.count / 8 + 1, 1);
    if (request->kernel != NULL)
        stream->request.kernel = stream->kernel = strdup(request->kernel);
    if (stream->delivered != NULL && (request->kernel == NULL || stream->kernel != NULL))
        return stream;
    free_stream(stream);
    return NULL;
}

enum tilery_status tilery_stream_open(tilery_client *client, const struct tilery_compute_request *request,
                                      const struct tilery_call_options *options, tilery_stream **out,
                                      struct tilery_error *error)
{
    static const struct tilery_call_options no_options;
    tilery_stream *stream;
    struct wire_error why;

    *out = NULL;
    if (options == NULL)
        options = &no_options;
    if (call_check_id(options->request_id, &why) != WIRE_OK)
        return call_error(error, &why);
    stream = new_stream(client, request, options);
    if (stream == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the stream");
        return call_error(error, &why);
    }
    if (stream_begin(stream, options->timeout_ms, &why) != WIRE_OK) {
        free_stream(stream);
        return call_error(error, &why);
    }
    poll_start(stream);
    *out = stream;
    return TILERY_OK;
}

uint64_t tilery_stream_tiles_planned(const tilery_stream *stream)
{
    return stream->plan.count;
}

uint64_t tilery_stream_tiles_received(const tilery_stream *stream)
{
    return stream->received;
}

const char *tilery_stream_id(const tilery_stream *stream)
{
    return stream->id;
}

struct tilery_summary tilery_stream_summary(const tilery_stream *stream)
{
    return call_summary(stream->done && stream->batch != NULL ? stream->batch->summary : NULL);
}

struct tilery_thread tilery_stream_thread(const tilery_stream *stream, size_t i)
{
    const Tilery__V1__ThreadSummary *thread = stream->batch->summary->threads[i];

    return (struct tilery_thread){thread->thread_id, thread->busy_ns, thread->tiles};
}

void tilery_stream_close(tilery_stream *stream)
{
    const struct tilery_call_options options = {.timeout_ms = CANCEL_TIMEOUT_MS};
    struct wire_error error;
    nng_msg *reply;
    bool found;

    if (stream == NULL)
        return;
    /* Ends the poll under way, too; after the last tile, the server need not keep the last reply. Where it
     * cannot be told, the lease runs out. */
    (void)!call_cancel(stream->client, stream->server, stream->id, &options, &found, &error);
    if (stream->polling && (reply = poll_wait(stream, &error)) != NULL)
        nng_msg_free(reply);
    free_stream(stream);
}

/* ---- With callbacks ---- */

enum tilery_status tilery_stream_run(tilery_client *client, const struct tilery_compute_request *request,
                                     const struct tilery_call_options *options, tilery_tile_fn *on_tile,
                                     tilery_progress_fn *on_progress, void *arg, struct tilery_error *error)
{
    const struct tilery_tile *tile = NULL;
    tilery_stream *stream;
    struct wire_error why;
    enum tilery_status status = tilery_stream_open(client, request, options, &stream, error);

    if (status != TILERY_OK)
        return status;
    do {
        if (on_progress != NULL)
            on_progress(arg, stream->received, stream->plan.count);
        status = tilery_stream_next(stream, &tile, error);
        if (tile != NULL && !on_tile(arg, tile)) {
            wire_error_set(&why, WIRE_CANCELLED, "the stream was ended by its reader");
            status = call_error(error, &why);
        }
    } while (status == TILERY_OK && tile != NULL);
    tilery_stream_close(stream);
    return status;
}
