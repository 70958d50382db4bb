/* NextTiles: polls, answered at once or when something comes. */
#include <stdio.h>

#include "engine/clock.h"
#include "service/stream_table.h"

/* A poll waits no longer than this, so that a stream whose reader is waiting keeps its lease. */
#define MAX_WAIT_MS (STREAM_LEASE_MS / 2)
/* A small batch is given so long to grow: a reader that keeps up would ask for every tile by itself. */
#define GATHER_MS 5
/* A reply with so many counts has so long to get to its reader before the lease begins to run. */
#define WAY_MS_A_MIB 1000u

static void fail(const struct poll *poll, enum wire_status status, const char *message)
{
    struct wire_error error;

    wire_error_set(&error, status, "%s", message);
    rpc_call_fail(poll->call, &error);
}

/* The last reply tells of the whole run. */
static void set_times(const struct stream *stream, struct rpc_call *call)
{
    const struct job *job = &stream->job;

    rpc_call_set_times(call, job->started_ns - job->submitted_ns, run_summary(stream->run).wall_ns);
}

static void reply(struct stream *stream, struct rpc_call *call, const struct window_batch *batch)
{
    if (batch->done)
        set_times(stream, call);
    pthread_mutex_lock(&stream->streams->mutex);
    stream->way_ms = (batch->bytes >> 20) * WAY_MS_A_MIB;
    stream->delivered |= batch->done;
    if (batch->done)
        pthread_cond_broadcast(&stream->streams->changed);
    pthread_mutex_unlock(&stream->streams->mutex);
    service_reply_tiles(call, stream->run, batch);
    window_release(stream->window, batch);
}

/* As window_read, unless the stream ended early. That is looked at last: an end that comes in between makes
 * the window look read to its end. */
static bool read_window(struct stream *stream, uint64_t cursor, uint64_t max_bytes,
                        struct window_batch *batch, struct wire_error *error)
{
    bool read = window_read(stream->window, cursor, max_bytes, 0, batch, error) == WIRE_OK;
    struct wire_error why = stream_error(stream);

    if (why.status == WIRE_OK)
        return read;
    if (read)
        window_release(stream->window, batch);
    *error = why;
    return false;
}

/* With whatever has come by now. */
static void answer(struct stream *stream, struct rpc_call *call, uint64_t cursor, uint64_t max_bytes)
{
    struct window_batch batch;
    struct wire_error error;

    if (read_window(stream, cursor, max_bytes, &batch, &error))
        reply(stream, call, &batch);
    else
        rpc_call_fail(call, &error);
}

/* Something has come for the poll that waits. */
void stream_on_ready(void *arg)
{
    struct stream *stream = arg;
    struct poll *poll;

    pthread_mutex_lock(&stream->streams->mutex);
    poll = stream_take_poll(stream);
    if (poll != NULL)
        stream_serve(stream);
    pthread_mutex_unlock(&stream->streams->mutex);
    if (poll == NULL)
        return;
    answer(stream, poll->call, poll->cursor, poll->max_bytes);
    stream_served(stream);
}

/* The poll has waited long enough, or its caller is gone. */
static void on_poll_over(void *arg, enum wire_status why)
{
    struct poll *poll = arg;
    struct stream *stream;

    pthread_mutex_lock(&poll->streams->mutex);
    stream = stream_find(poll->streams, poll->id);
    if (stream != NULL && stream->poll == poll) {
        (void)stream_take_poll(stream);
        stream_serve(stream);
    } else {
        stream = NULL;
        poll->over = true;
    }
    pthread_mutex_unlock(&poll->streams->mutex);
    if (stream == NULL)
        return;
    if (why == WIRE_DEADLINE_EXCEEDED)
        answer(stream, poll->call, poll->cursor, poll->max_bytes);
    else
        fail(poll, why, "the connection is gone");
    stream_served(stream);
}

/* The stream, which serves it, and the poll that the new one replaces. */
static struct stream *visit(struct streams *streams, const char *id, struct poll **replaced)
{
    struct stream *stream;

    *replaced = NULL;
    pthread_mutex_lock(&streams->mutex);
    stream = stream_find(streams, id);
    if (stream != NULL) {
        stream_serve(stream);
        stream->opener = 0;
        stream->orphan = false;
        *replaced = stream_take_poll(stream);
    }
    pthread_mutex_unlock(&streams->mutex);
    if (*replaced != NULL)
        fail(*replaced, WIRE_ABORTED, "a newer NextTiles of this stream took its place");
    return stream;
}

/* Makes it the stream's poll, unless its time is up already or the stream has gone. */
static bool settle(struct stream *stream, struct poll *poll)
{
    struct poll *replaced = NULL;
    bool settled;

    pthread_mutex_lock(&stream->streams->mutex);
    settled = !poll->over && stream_find(stream->streams, stream->id) == stream;
    if (settled) {
        replaced = stream_take_poll(stream);
        stream->poll = poll;
    }
    pthread_mutex_unlock(&stream->streams->mutex);
    if (replaced != NULL)
        fail(replaced, WIRE_ABORTED, "a newer NextTiles of this stream took its place");
    return settled;
}

/* Until so many bytes have come, or the time is up. */
static void wait_for_bytes(struct stream *stream, struct rpc_call *call, uint64_t cursor, uint64_t max_bytes,
                           uint64_t bytes, uint64_t wait_ms)
{
    struct poll *poll = rpc_call_alloc(call, sizeof *poll);
    struct window_batch batch;
    struct wire_error error;

    if (poll == NULL) {
        wire_error_set(&error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call; try again");
        rpc_call_fail(call, &error);
        return;
    }
    *poll = (struct poll){.streams = stream->streams, .call = call, .cursor = cursor, .max_bytes = max_bytes};
    (void)snprintf(poll->id, sizeof poll->id, "%s", stream->id);
    rpc_call_limit(call, wait_ms < MAX_WAIT_MS ? wait_ms : MAX_WAIT_MS);
    rpc_call_defer(call, on_poll_over, poll);
    if (!settle(stream, poll)) {
        answer(stream, call, cursor, max_bytes);
        return;
    }
    /* From here on anybody may end the call. What came before it was the stream's poll told nobody. */
    if (window_read(stream->window, cursor, 0, bytes, &batch, &error) != WIRE_OK || batch.come >= bytes ||
        batch.plenty || batch.done)
        stream_on_ready(stream);
}

/* What is sent without waiting for more: a batch that may not have room for a further tile. */
static uint64_t enough(const struct stream *stream, uint64_t max_bytes)
{
    return max_bytes > stream->tile_bytes ? max_bytes - stream->tile_bytes : 0;
}

static void tell_gone(struct streams *streams, const char *id, struct wire_error *error)
{
    char shown[80];
    bool cancelled;

    pthread_mutex_lock(&streams->mutex);
    cancelled = id[0] != '\0' && stream_find_cancelled(streams, id) != NULL;
    pthread_mutex_unlock(&streams->mutex);
    if (cancelled)
        wire_error_set(error, WIRE_CANCELLED, "the stream was cancelled");
    else
        wire_error_set(error, WIRE_NOT_FOUND, "there is no stream \"%s\"; it ended, or its lease ran out",
                       wire_quote(shown, sizeof shown, id));
}

void streams_next(struct streams *streams, struct rpc_call *call, const char *id, uint64_t cursor,
                  uint64_t max_bytes, uint64_t wait_ms)
{
    struct poll *replaced;
    struct stream *stream = visit(streams, id, &replaced);
    struct window_batch batch;
    struct wire_error error;

    if (stream == NULL) {
        tell_gone(streams, id, &error);
        rpc_call_fail(call, &error);
        return;
    }
    if (!read_window(stream, cursor, max_bytes, &batch, &error))
        rpc_call_fail(call, &error);
    else if (batch.done || max_bytes == 0 || wait_ms == 0 || batch.plenty ||
             batch.come > enough(stream, max_bytes))
        reply(stream, call, &batch);
    else {
        window_release(stream->window, &batch);
        if (batch.count == 0)
            wait_for_bytes(stream, call, cursor, max_bytes, 1, wait_ms);
        else
            wait_for_bytes(stream, call, cursor, max_bytes, enough(stream, max_bytes),
                           wait_ms < GATHER_MS ? wait_ms : GATHER_MS);
    }
    stream_served(stream);
}
