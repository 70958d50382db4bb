/* The request for a stream's next tiles, under way while the caller has tiles to look at; and for none, which
 * renews the lease while the caller pauses. */
#include <pthread.h>

#include "stream.h"
#include "wire/clock.h"

#define NEXT "tilery.v1.TileCompute/NextTiles"
#define BATCH_BYTES (UINT64_C(1) << 20)
/* How long a poll waits at the server, and how long for its reply. */
#define WAIT_MS 1000
#define POLL_TIMEOUT_MS 4000
#define PAUSE_MS 20
/* No reply without tiles, or a summary, is longer. */
#define EMPTY_BYTES 128
/* How often the lease of a stream whose reader pauses is looked after: a server that drains gives no more
 * than two seconds. */
#define LOOKS_A_LEASE 10
#define LOOK_MIN_MS 100

uint64_t stream_time_left_ms(const tilery_stream *stream, uint64_t most_ms)
{
    uint64_t now = wire_now_ns(), left;

    if (stream->deadline_ns == UINT64_MAX)
        return most_ms;
    left = stream->deadline_ns > now ? (stream->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    return left < most_ms ? left : most_ms;
}

/* ---- Outcomes ---- */

/* Gives the reply back, or NULL and the error that it tells of. */
static nng_msg *sift(nng_msg *reply, struct wire_error *error)
{
    ProtobufCMessage *payload;
    struct wire_arena arena;
    struct wire_reply head;

    call_read_failure(reply, error);
    if (error->status == WIRE_OK)
        return reply;
    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    (void)!call_decode(reply, &tilery__v1__next_tiles_reply__descriptor, &arena, &head, &payload, error);
    wire_arena_fini(&arena);
    return NULL;
}

/* The server had no tile within the poll's time. Everything else is the reader's to take apart. */
static bool is_empty(const tilery_stream *stream, nng_msg *reply)
{
    const Tilery__V1__NextTilesReply *batch = NULL;
    struct wire_arena arena;
    struct wire_error error;
    struct wire_reply head;
    bool empty;

    if (nng_msg_len(reply) > EMPTY_BYTES)
        return false;
    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    if (wire_reply_unpack(&arena, nng_msg_body(reply), nng_msg_len(reply), &head, &error) == WIRE_OK)
        batch = tilery__v1__next_tiles_reply__unpack(&arena.allocator, head.payload_len, head.payload);
    empty = batch != NULL && batch->n_tiles == 0 && !batch->done && batch->next_cursor == stream->cursor;
    wire_arena_fini(&arena);
    return empty;
}

/* The mutex is held, and let go. The reader gets what came; where it waits, it is spared what is none of its
 * business. */
static void settle(tilery_stream *stream)
{
    nng_msg *reply = stream->reply;

    if (!stream->dry || (reply != NULL && !is_empty(stream, reply))) {
        stream_show(stream, STREAM_READY);
        return;
    }
    stream->state = STREAM_READING;
    stream->reply = NULL;
    pthread_mutex_unlock(&stream->mutex);
    if (reply == NULL) {
        stream_recover(stream);
        return;
    }
    nng_msg_free(reply);
    stream->connections = stream->poll_connections;
    stream_heard(stream);
    stream_pause(stream);
}

static void on_polled(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;
    struct wire_error why;
    bool replied = reply != NULL;

    (void)server;
    if (replied)
        reply = sift(reply, &why);
    else
        why = *error;
    pthread_mutex_lock(&stream->mutex);
    stream->heard_ns = wire_now_ns();
    if (!stream->dropped && stream->state == STREAM_POLLING) {
        stream->reply = reply;
        stream->why = why;
        stream->replied = replied;
        settle(stream);
    } else {
        pthread_mutex_unlock(&stream->mutex);
        if (reply != NULL)
            nng_msg_free(reply);
    }
    stream_leave(stream);
}

/* ---- Polls ---- */

static void ask(tilery_stream *stream, uint64_t max_bytes, call_done_fn *done)
{
    Tilery__V1__NextTilesRequest request = TILERY__V1__NEXT_TILES_REQUEST__INIT;
    const struct tilery_call_options options = {.timeout_ms = stream_time_left_ms(stream, POLL_TIMEOUT_MS),
                                                .traceparent = stream->traceparent};
    const struct call_spec spec = {
        .method = NEXT, .request = &request.base, .options = &options, .only = stream->server};
    struct wire_error error;

    request.stream_id = stream->id;
    request.has_cursor = request.has_max_bytes = request.has_wait_ms = 1;
    request.cursor = stream->cursor;
    request.max_bytes = max_bytes;
    request.wait_ms = WAIT_MS;
    error.status = WIRE_OK;
    if (options.timeout_ms == 0)
        wire_error_set(&error, WIRE_DEADLINE_EXCEEDED, "the stream's time was up before its last tile");
    else if (client_run_is_overdue(stream->client, &stream->open_run))
        wire_error_set(&error, WIRE_CANCELLED, "the stream was cancelled");
    if (error.status != WIRE_OK || call_start(stream->client, &spec, done, stream, &error) != WIRE_OK)
        done(stream, NULL, stream->server, &error);
}

bool stream_poll(tilery_stream *stream)
{
    if (!stream_go(stream, STREAM_POLLING))
        return false;
    stream->poll_connections = server_connections(stream->server);
    ask(stream, BATCH_BYTES >> stream->halvings, on_polled);
    return true;
}

static void on_paused(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;

    (void)reply;
    (void)server;
    (void)error; /* where the client is closed, the poll will tell */
    (void)stream_poll(stream);
    stream_leave(stream);
}

void stream_pause(tilery_stream *stream)
{
    struct wire_error error;

    if (!stream_go(stream, STREAM_PAUSING) ||
        call_pause(stream->client, PAUSE_MS, on_paused, stream, &error) == WIRE_OK)
        return;
    stream_over(stream, &error);
    stream_leave(stream);
}

/* ---- The lease of a stream whose reader pauses ---- */

static void on_kept(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;
    struct wire_error why;

    (void)server;
    (void)error; /* the next poll will tell */
    if (reply != NULL)
        reply = sift(reply, &why);
    pthread_mutex_lock(&stream->mutex);
    if (!stream->dropped && stream->state == STREAM_KEEPING) {
        if (reply != NULL) {
            stream->heard_ns = wire_now_ns();
            stream->poll_connections = stream->keep_connections;
            stream_heard(stream);
        }
        settle(stream);
    } else {
        pthread_mutex_unlock(&stream->mutex);
    }
    if (reply != NULL)
        nng_msg_free(reply);
    stream_leave(stream);
}

static void on_look(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error);

/* The mutex is held. */
static uint64_t look_ms(const tilery_stream *stream)
{
    uint64_t ms = stream->lease_ms / LOOKS_A_LEASE;

    return ms > LOOK_MIN_MS ? ms : LOOK_MIN_MS;
}

/* Looks after the lease again in a while. The stream is held; the next look has a reference of its own. */
static void look_later(tilery_stream *stream)
{
    struct wire_error error;
    uint64_t ms;
    bool dropped;

    pthread_mutex_lock(&stream->mutex);
    stream->refs++;
    ms = look_ms(stream);
    pthread_mutex_unlock(&stream->mutex);
    if (call_pause(stream->client, ms, on_look, stream, &error) != WIRE_OK) {
        on_look(stream, NULL, NULL, &error);
        return;
    }
    pthread_mutex_lock(&stream->mutex);
    dropped = stream->dropped;
    pthread_mutex_unlock(&stream->mutex);
    if (dropped)
        call_wake(stream->client, stream);
}

/* The mutex is held. Nobody else asks the server, and the reader is still expected. */
static bool is_to_be_kept(tilery_stream *stream)
{
    uint64_t now = wire_now_ns();

    return stream->state == STREAM_READY && now - stream->heard_ns >= look_ms(stream) * NS_PER_MS / 2 &&
           now - atomic_load(&stream->read_ns) < stream->keep_ms * NS_PER_MS;
}

static void on_look(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;
    bool on, keep;

    (void)reply;
    (void)server;
    pthread_mutex_lock(&stream->mutex);
    on = !stream->dropped && stream->state != STREAM_OVER && stream->keep_ms != 0 && error->status == WIRE_OK;
    keep = on && is_to_be_kept(stream);
    stream->looking = on;
    if (keep) {
        stream->state = STREAM_KEEPING;
        stream->refs++;
    }
    pthread_mutex_unlock(&stream->mutex);
    if (keep) {
        stream->keep_connections = server_connections(stream->server);
        ask(stream, 0, on_kept);
    }
    if (on)
        look_later(stream);
    stream_leave(stream);
}

void tilery_stream_keep(tilery_stream *stream, uint64_t ms)
{
    bool begin;

    atomic_store(&stream->read_ns, wire_now_ns());
    pthread_mutex_lock(&stream->mutex);
    stream->keep_ms = ms < UINT64_MAX / NS_PER_MS ? ms : UINT64_MAX / NS_PER_MS;
    begin = ms != 0 && !stream->looking;
    stream->looking |= begin;
    pthread_mutex_unlock(&stream->mutex);
    if (begin)
        look_later(stream);
}
