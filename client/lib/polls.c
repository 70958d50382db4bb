/* The request for a stream's next tiles, under way while the caller has tiles to look at. */
#include <pthread.h>
#include <time.h>

#include "stream.h"
#include "wire/clock.h"

#define NEXT "tilery.v1.TileCompute/NextTiles"
#define BATCH_BYTES (UINT64_C(1) << 20)
/* How long a poll waits at the server, and how long for its reply. */
#define WAIT_MS 1000
#define POLL_TIMEOUT_MS 4000
#define PAUSE_MS 20

uint64_t stream_time_left_ms(const tilery_stream *stream, uint64_t most_ms)
{
    uint64_t now = wire_now_ns(), left;

    if (stream->deadline_ns == UINT64_MAX)
        return most_ms;
    left = stream->deadline_ns > now ? (stream->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    return left < most_ms ? left : most_ms;
}

static void on_polled(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;

    (void)server;
    pthread_mutex_lock(&stream->mutex);
    stream->reply = reply;
    if (reply == NULL)
        stream->poll_error = *error;
    stream->poll_over = true;
    pthread_cond_signal(&stream->polled);
    pthread_mutex_unlock(&stream->mutex);
}

void poll_start(tilery_stream *stream)
{
    Tilery__V1__NextTilesRequest request = TILERY__V1__NEXT_TILES_REQUEST__INIT;
    const struct tilery_call_options options = {.timeout_ms = stream_time_left_ms(stream, POLL_TIMEOUT_MS)};
    const struct call_spec spec = {
        .method = NEXT, .request = &request.base, .options = &options, .only = stream->server};
    struct wire_error error;

    request.stream_id = stream->id;
    request.has_cursor = request.has_max_bytes = request.has_wait_ms = 1;
    request.cursor = stream->cursor;
    request.max_bytes = BATCH_BYTES;
    request.wait_ms = WAIT_MS;
    stream->polling = true;
    stream->poll_over = false;
    stream->poll_connections = server_connections(stream->server);
    if (options.timeout_ms == 0)
        wire_error_set(&error, WIRE_DEADLINE_EXCEEDED, "the stream's time was up before its last tile");
    if (options.timeout_ms == 0 || call_start(stream->client, &spec, on_polled, stream, &error) != WIRE_OK)
        on_polled(stream, NULL, stream->server, &error);
}

nng_msg *poll_wait(tilery_stream *stream, struct wire_error *error)
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

void poll_pause(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * NS_PER_MS};

    (void)nanosleep(&pause, NULL);
}
