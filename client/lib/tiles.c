/* A stream's reader: its batches, taken apart tile by tile. */
#include <inttypes.h>
#include <pthread.h>

#include "stream.h"
#include "wire/clock.h"

typedef Tilery__V1__TileUpdate TileUpdate;

/* ---- Batches ---- */

static enum wire_status check_batch(const tilery_stream *stream, struct wire_error *error)
{
    size_t tiles = stream->batch.tiles;
    uint64_t next = stream->batch.reply->next_cursor;

    if (tiles > stream->run_tiles - stream->cursor)
        return wire_error_set(error, WIRE_INTERNAL,
                              "%" PRIu64 " tiles and %zu more came where %" PRIu64 " are planned",
                              stream->cursor, tiles, stream->run_tiles);
    if (next != stream->cursor + tiles)
        return wire_error_set(error, WIRE_INTERNAL,
                              "the stream goes on at %" PRIu64 " after %zu tiles from %" PRIu64 " on", next,
                              tiles, stream->cursor);
    return WIRE_OK;
}

/* The run is over. Tiles may be missing where its time limit has left them out. */
static void finish(tilery_stream *stream)
{
    const Tilery__V1__NextTilesReply *reply = stream->batch.reply;
    struct wire_error error = {.status = WIRE_OK};

    if (stream->cursor != stream->run_tiles && !(reply->summary != NULL && reply->summary->time_limited))
        wire_error_set(&error, WIRE_INTERNAL, "the stream ended after %" PRIu64 " of %" PRIu64 " tiles",
                       stream->cursor, stream->run_tiles);
    if (reply->summary != NULL)
        call_make_printable(reply->summary->kernel);
    client_run_over(stream->client, &stream->open_run);
    stream_over(stream, &error);
}

/* Where the server has more, that is asked for. */
static void go_on(tilery_stream *stream)
{
    if (stream->batch.reply->done)
        finish(stream);
    else if (stream->batch.tiles == 0)
        stream_pause(stream); /* it should have waited; if it does not, this does */
    else
        (void)stream_poll(stream);
}

/* Takes msg. */
static enum wire_status read_batch(tilery_stream *stream, nng_msg *msg, struct wire_error *error)
{
    if (batch_read(&stream->batch, msg, error) != WIRE_OK)
        return error->status;
    if (check_batch(stream, error) != WIRE_OK) {
        batch_drop(&stream->batch);
        return error->status;
    }
    stream->cursor = stream->batch.reply->next_cursor;
    stream->halvings -= stream->halvings != 0;
    stream->connections = stream->poll_connections;
    stream_heard(stream);
    go_on(stream);
    return WIRE_OK;
}

/* Nothing follows the batch, which tells of the whole run. */
static bool is_last(const struct batch *batch)
{
    return batch->msg != NULL && batch->reply->done;
}

/* Looks at what the last poll came to. False when there is nothing to look at. */
static bool fetch(tilery_stream *stream)
{
    nng_msg *reply;

    if (!is_last(&stream->batch))
        batch_drop(&stream->batch); /* the next message can have its memory */
    pthread_mutex_lock(&stream->mutex);
    stream->dry = stream->state != STREAM_READY;
    if (stream->dry) {
        pthread_mutex_unlock(&stream->mutex);
        return false;
    }
    stream->state = STREAM_READING;
    reply = stream->reply;
    stream->reply = NULL;
    pthread_mutex_unlock(&stream->mutex);
    if (reply == NULL || read_batch(stream, reply, &stream->why) != WIRE_OK)
        stream_recover(stream);
    return true;
}

/* ---- Tiles ---- */

static void show(tilery_stream *stream, const TileUpdate *update, const uint16_t *counts)
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
                                        .counts = counts,
                                        .run = stream->run};
}

/* Gives whether it is one that has not been delivered, which is the stream's tile then. */
static enum wire_status take(tilery_stream *stream, const TileUpdate *update, bool *fresh,
                             struct wire_error *error)
{
    const uint16_t *counts;
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
        counts = batch_counts(&stream->batch, update, error);
        if (counts == NULL)
            return error->status;
        show(stream, update, counts);
        stream->delivered[task / 8] |= (uint8_t)(1u << task % 8);
        stream->received++;
        stream->moves = 0;
    }
    return WIRE_OK;
}

/* The batch's next tile that has not been delivered; *out is NULL when it has none. */
static enum wire_status take_next(tilery_stream *stream, const struct tilery_tile **out,
                                  struct wire_error *error)
{
    bool fresh = false;

    *out = NULL;
    while (!fresh) {
        const TileUpdate *update;

        if (!batch_has_more(&stream->batch))
            return WIRE_OK;
        update = batch_take(&stream->batch, error);
        if (update == NULL || take(stream, update, &fresh, error) != WIRE_OK) {
            batch_drop(&stream->batch);
            stream_over(stream, error);
            return error->status;
        }
    }
    *out = &stream->tile;
    return WIRE_OK;
}

/* *out is NULL at the end, and where nothing is ready. */
static enum wire_status next_tile(tilery_stream *stream, bool *ready, const struct tilery_tile **out,
                                  struct wire_error *error)
{
    do {
        if (take_next(stream, out, error) != WIRE_OK || *out != NULL) {
            *ready = true;
            return *out != NULL ? WIRE_OK : error->status;
        }
    } while (fetch(stream));
    pthread_mutex_lock(&stream->mutex);
    *ready = stream->state == STREAM_OVER;
    *error = stream->error;
    pthread_mutex_unlock(&stream->mutex);
    return *ready ? error->status : WIRE_OK;
}

enum tilery_status tilery_stream_try_next(tilery_stream *stream, bool *ready, const struct tilery_tile **out,
                                          struct tilery_error *error)
{
    struct wire_error why;

    atomic_store(&stream->read_ns, wire_now_ns());
    return next_tile(stream, ready, out, &why) != WIRE_OK ? call_error(error, &why) : TILERY_OK;
}

enum tilery_status tilery_stream_next(tilery_stream *stream, const struct tilery_tile **out,
                                      struct tilery_error *error)
{
    for (;;) {
        bool ready;
        enum tilery_status status = tilery_stream_try_next(stream, &ready, out, error);

        if (ready)
            return status;
        stream_wait(stream);
    }
}

/* ---- What is known of it ---- */

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
    const struct batch *batch = &stream->batch;
    struct tilery_summary summary = call_summary(is_last(batch) ? batch->reply->summary : NULL);

    summary.queue_ns = is_last(batch) ? batch->queue_ns : 0;
    summary.run_ns = is_last(batch) ? batch->run_ns : 0;
    return summary;
}

struct tilery_thread tilery_stream_thread(const tilery_stream *stream, size_t i)
{
    const Tilery__V1__ThreadSummary *thread = stream->batch.reply->summary->threads[i];

    return (struct tilery_thread){thread->thread_id, thread->busy_ns, thread->tiles};
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
