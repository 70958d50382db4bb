/* Streams: OpenStream, then NextTiles again and again, the next one under way while the caller has tiles to
 * look at. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"
#include "wire/clock.h"
#include "wire/limits.h"

#define OPEN "tilery.v1.TileCompute/OpenStream"
#define NEXT "tilery.v1.TileCompute/NextTiles"
#define NS_PER_MS UINT64_C(1000000)
#define BATCH_BYTES (UINT64_C(1) << 20)
/* How long a poll waits at the server, and how long for its reply. */
#define WAIT_MS 1000
#define POLL_TIMEOUT_MS 4000
#define RETRY_MS 20
#define CANCEL_TIMEOUT_MS 1000

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "counts are handed out as they came");

typedef Tilery__V1__NextTilesReply NextTilesReply;
typedef Tilery__V1__TileUpdate TileUpdate;

struct tilery_stream {
    tilery_client *client;
    char id[WIRE_MAX_REQUEST_ID + 1];
    uint64_t planned, received, cursor, lease_ms;
    uint64_t deadline_ns, heard_ns; /* heard: when the server last knew the stream */
    struct wire_error error;        /* the one that ended it */
    struct wire_arena arena;        /* of the batch */
    const NextTilesReply *batch;    /* NULL before the first */
    size_t next;                    /* in the batch */
    struct tilery_tile tile;
    pthread_mutex_t mutex; /* guards the poll: it ends on a thread of nng */
    pthread_cond_t polled;
    bool polling, poll_over;
    nng_msg *reply;
    struct wire_error poll_error;
};

static void on_polled(void *arg, nng_msg *reply, const struct wire_error *error)
{
    tilery_stream *stream = arg;

    pthread_mutex_lock(&stream->mutex);
    stream->reply = reply;
    if (reply == NULL)
        stream->poll_error = *error;
    stream->poll_over = true;
    pthread_cond_signal(&stream->polled);
    pthread_mutex_unlock(&stream->mutex);
}

static uint64_t time_left_ms(const tilery_stream *stream)
{
    uint64_t now = wire_now_ns();

    if (stream->deadline_ns == UINT64_MAX)
        return POLL_TIMEOUT_MS;
    return stream->deadline_ns > now ? (stream->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
}

static void start_poll(tilery_stream *stream)
{
    Tilery__V1__NextTilesRequest request = TILERY__V1__NEXT_TILES_REQUEST__INIT;
    uint64_t left_ms = time_left_ms(stream);
    struct tilery_call_options options = {.timeout_ms =
                                              left_ms < POLL_TIMEOUT_MS ? left_ms : POLL_TIMEOUT_MS};
    struct wire_error error;

    request.stream_id = stream->id;
    request.has_cursor = request.has_max_bytes = request.has_wait_ms = 1;
    request.cursor = stream->cursor;
    request.max_bytes = BATCH_BYTES;
    request.wait_ms = WAIT_MS;
    stream->polling = true;
    stream->poll_over = false;
    if (left_ms == 0)
        wire_error_set(&error, WIRE_DEADLINE_EXCEEDED, "the stream's time was up before its last tile");
    if (left_ms == 0 || call_start(stream->client, NEXT, &request.base, &options, false, on_polled, stream,
                                   &error) != WIRE_OK)
        on_polled(stream, NULL, &error);
}

/* The reply, which is the caller's, or NULL and the error. */
static nng_msg *wait_for_poll(tilery_stream *stream, struct wire_error *error)
{
    nng_msg *reply;

    pthread_mutex_lock(&stream->mutex);
    while (!stream->poll_over)
        pthread_cond_wait(&stream->polled, &stream->mutex);
    reply = stream->reply;
    *error = stream->poll_error;
    pthread_mutex_unlock(&stream->mutex);
    stream->polling = false;
    return reply;
}

/* Whether the same tiles can be asked for again: the connection was lost, or the server's memory for replies
 * is full, and it may still have them. */
static bool may_retry(const tilery_stream *stream, enum wire_status status)
{
    uint64_t now = wire_now_ns();

    return (status == WIRE_UNAVAILABLE || status == WIRE_DEADLINE_EXCEEDED ||
            status == WIRE_RESOURCE_EXHAUSTED) &&
           now < stream->deadline_ns && now < stream->heard_ns + stream->lease_ms * NS_PER_MS;
}

static void pause_before_retry(void)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};

    (void)nanosleep(&pause, NULL);
}

static enum wire_status read_batch(tilery_stream *stream, nng_msg *msg, struct wire_error *error)
{
    ProtobufCMessage *reply;
    struct wire_reply head;

    wire_arena_reset(&stream->arena);
    stream->batch = NULL;
    stream->next = 0;
    if (call_decode(msg, &tilery__v1__next_tiles_reply__descriptor, &stream->arena, &head, &reply, error) !=
        WIRE_OK)
        return error->status;
    stream->batch = (const NextTilesReply *)(const void *)reply;
    stream->cursor = stream->batch->next_cursor;
    stream->heard_ns = wire_now_ns();
    if (!stream->batch->done)
        start_poll(stream);
    return WIRE_OK;
}

/* The next batch, from the poll under way or a new one. */
static enum wire_status fetch(tilery_stream *stream, struct wire_error *error)
{
    for (;;) {
        nng_msg *msg;

        if (!stream->polling)
            start_poll(stream);
        msg = wait_for_poll(stream, error);
        if (msg != NULL && read_batch(stream, msg, error) == WIRE_OK)
            return WIRE_OK;
        if (!may_retry(stream, error->status))
            return error->status;
        pause_before_retry();
    }
}

static enum wire_status show(tilery_stream *stream, const TileUpdate *update, struct wire_error *error)
{
    size_t counts = update->data.len / sizeof(uint16_t);

    if (update->data.len % sizeof(uint16_t) != 0 || counts == 0 || update->columns == 0 ||
        counts % update->columns != 0 || counts / update->columns != update->rows)
        return wire_error_set(error, WIRE_INTERNAL,
                              "task %" PRIu32 " came with %zu bytes for %" PRIu32 " x %" PRIu32 " counts",
                              update->task_id, update->data.len, update->columns, update->rows);
    stream->received++;
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
    return WIRE_OK;
}

enum tilery_status tilery_stream_next(tilery_stream *stream, const struct tilery_tile **out,
                                      struct tilery_error *error)
{
    struct wire_error why;

    *out = NULL;
    if (stream->error.status != WIRE_OK)
        return call_error(error, &stream->error);
    while (stream->batch == NULL || stream->next == stream->batch->n_tiles) {
        if (stream->batch != NULL && stream->batch->done)
            return TILERY_OK;
        if (fetch(stream, &why) != WIRE_OK)
            goto failed;
    }
    if (show(stream, stream->batch->tiles[stream->next], &why) != WIRE_OK)
        goto failed;
    stream->next++;
    *out = &stream->tile;
    return TILERY_OK;
failed:
    stream->error = why;
    return call_error(error, &why);
}

/* ---- Open and close ---- */

static void free_stream(tilery_stream *stream)
{
    wire_arena_fini(&stream->arena);
    pthread_cond_destroy(&stream->polled);
    pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

static tilery_stream *new_stream(tilery_client *client, const struct tilery_call_options *options)
{
    tilery_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    stream->client = client;
    stream->deadline_ns = options->timeout_ms != 0 ? wire_after_ms(options->timeout_ms) : UINT64_MAX;
    wire_arena_init(&stream->arena, WIRE_REPLY_ARENA);
    pthread_mutex_init(&stream->mutex, NULL);
    pthread_cond_init(&stream->polled, NULL);
    if (options->request_id != NULL)
        (void)snprintf(stream->id, sizeof stream->id, "%s", options->request_id);
    if (stream->id[0] == '\0')
        call_random_id(stream->id);
    return stream;
}

static enum wire_status open_stream(tilery_stream *stream, const struct tilery_compute_request *request,
                                    const struct tilery_call_options *options, struct wire_error *error)
{
    const struct tilery_call_options named = {.timeout_ms = options->timeout_ms, .request_id = stream->id};
    Tilery__V1__OpenStreamRequest open = TILERY__V1__OPEN_STREAM_REQUEST__INIT;
    const Tilery__V1__OpenStreamReply *opened;
    Tilery__V1__ComputeRequest compute;
    Tilery__V1__Region region;
    ProtobufCMessage *reply;
    struct wire_reply head;
    nng_msg *msg;

    call_fill_request(request, &region, &compute);
    open.compute = &compute;
    if (call_blocking(stream->client, OPEN, &open.base, &named, &msg, error) != WIRE_OK ||
        call_decode(msg, &tilery__v1__open_stream_reply__descriptor, &stream->arena, &head, &reply, error) !=
            WIRE_OK)
        return error->status;
    opened = (const Tilery__V1__OpenStreamReply *)(const void *)reply;
    stream->planned = opened->tiles_planned;
    stream->lease_ms = opened->lease_ms;
    stream->heard_ns = wire_now_ns();
    return WIRE_OK;
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
    if (options->request_id != NULL && strlen(options->request_id) > WIRE_MAX_REQUEST_ID) {
        wire_error_set(&why, WIRE_INVALID_ARGUMENT, "request_id has %zu characters; at most %d are allowed",
                       strlen(options->request_id), WIRE_MAX_REQUEST_ID);
        return call_error(error, &why);
    }
    stream = new_stream(client, options);
    if (stream == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the stream");
        return call_error(error, &why);
    }
    if (open_stream(stream, request, options, &why) != WIRE_OK) {
        free_stream(stream);
        return call_error(error, &why);
    }
    start_poll(stream);
    *out = stream;
    return TILERY_OK;
}

uint64_t tilery_stream_tiles_planned(const tilery_stream *stream)
{
    return stream->planned;
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
    return call_summary(stream->batch != NULL ? stream->batch->summary : NULL);
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
    (void)!tilery_cancel(stream->client, stream->id, &options, &found, NULL);
    if (stream->polling && (reply = wait_for_poll(stream, &error)) != NULL)
        nng_msg_free(reply);
    free_stream(stream);
}
