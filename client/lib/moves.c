/* A stream's runs: the first, and others for the rest of the tasks where a server is lost. */
#include <inttypes.h>
#include <string.h>

#include "stream.h"
#include "wire/clock.h"
#include "wire/counts.h"

#define OPEN "tilery.v1.TileCompute/OpenStream"
/* A server whose connection is lost has so long to come back before another does the rest. */
#define GRACE_MS 200
/* How long a new run may take to be admitted, and where its server is waited for. */
#define MOVE_TIMEOUT_MS 5000
#define WAIT_TIMEOUT_MS 660000
/* How long a server that does not know the stream may take to say whether it serves. */
#define CHECK_TIMEOUT_MS 1000
#define MAX_LEASE_MS 60000
/* Of a batch that does not arrive, for which its connection may be too short-lived: to 16 KiB. */
#define MAX_HALVINGS 6

void stream_heard(tilery_stream *stream)
{
    stream->lost_ns = wire_after_ms(stream->lease_ms);
    stream->down_ns = 0;
}

bool stream_has_delivered(const tilery_stream *stream, uint64_t task)
{
    return (stream->delivered[task / 8] >> task % 8 & 1) != 0;
}

/* From the first task that is missing to the last. Of what the time limit allows, the rest is left. */
static void narrow(const tilery_stream *stream, struct tilery_compute_request *rest)
{
    uint64_t first = 0, end = stream->plan.count, spent_ms = stream->run_ns / NS_PER_MS;

    while (first + 1 < end && stream_has_delivered(stream, first))
        first++;
    while (end > first + 1 && stream_has_delivered(stream, end - 1))
        end--;
    *rest = stream->request;
    rest->first_task = stream->plan.first + first;
    rest->task_count = end - first;
    rest->time_limit_ms = stream->time_limit_ms > spent_ms ? stream->time_limit_ms - spent_ms : 0;
}

/* The connection was lost, or the server had no memory for the reply and says when to ask again: it may still
 * have the same tiles. */
static void ask_again(tilery_stream *stream)
{
    enum wire_status status = stream->why.status;

    if ((status == WIRE_UNAVAILABLE || status == WIRE_DEADLINE_EXCEEDED ||
         (status == WIRE_RESOURCE_EXHAUSTED && stream->why.retry_after_ms != 0)) &&
        wire_now_ns() < stream->lost_ns)
        stream_pause(stream);
    else
        stream_over(stream, &stream->why);
}

/* ---- Runs ---- */

/* Of a nameless stream: the library gave it one, see make_frame. */
static bool take_id(tilery_stream *stream, const char *id)
{
    if (id == NULL || id[0] == '\0' || strlen(id) > WIRE_MAX_REQUEST_ID)
        return false;
    (void)wire_quote(stream->id, sizeof stream->id, id);
    return strcmp(stream->id, id) == 0;
}

/* The new run, of which the server's reply tells. */
static enum wire_status take_run(tilery_stream *stream, const Tilery__V1__OpenStreamReply *opened,
                                 struct wire_error *error)
{
    if (opened->tiles_planned != stream->new_tiles)
        return wire_error_set(error, WIRE_INTERNAL,
                              "%" PRIu64 " tiles are planned where %" PRIu64 " were asked for",
                              opened->tiles_planned, stream->new_tiles);
    if (stream->id[0] == '\0' && !take_id(stream, opened->stream_id))
        return wire_error_set(error, WIRE_INTERNAL, "the server gave the stream no name that could be used");
    stream->refused = false;
    stream->run += stream->moved;
    stream->run_tiles = stream->new_tiles;
    stream->time_limit_ms = stream->new_limit_ms;
    stream->cursor = stream->run_ns = 0;
    pthread_mutex_lock(&stream->mutex);
    stream->lease_ms = opened->lease_ms < MAX_LEASE_MS ? opened->lease_ms : MAX_LEASE_MS;
    pthread_mutex_unlock(&stream->mutex);
    return WIRE_OK;
}

static enum wire_status read_opened(tilery_stream *stream, nng_msg *msg, struct server *server,
                                    struct wire_error *error)
{
    ProtobufCMessage *reply;
    struct wire_arena arena;
    struct wire_reply head;
    enum wire_status status;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    status = call_decode(msg, &tilery__v1__open_stream_reply__descriptor, &arena, &head, &reply, error);
    if (status == WIRE_OK)
        status = take_run(stream, (const Tilery__V1__OpenStreamReply *)(void *)reply, error);
    wire_arena_fini(&arena);
    if (status != WIRE_OK)
        return status;
    stream->server = server;
    client_run_opened(stream->client, &stream->open_run, stream->id, server);
    stream->connections = server_connections(server);
    stream_heard(stream);
    return WIRE_OK;
}

/* The first run. The caller has the stream from here on, or never. */
static void finish_opening(tilery_stream *stream, const struct wire_error *error)
{
    tilery_stream_open_fn *opened = stream->opened;
    void *arg = stream->opened_arg;
    struct tilery_error public_error;

    if (error->status == WIRE_OK) {
        (void)stream_poll(stream);
        opened(arg, stream, NULL);
        return;
    }
    stream_leave(stream);
    (void)call_error(&public_error, error);
    opened(arg, NULL, &public_error);
}

static void finish_moving(tilery_stream *stream, const struct wire_error *error)
{
    if (error->status != WIRE_OK) {
        stream->why = *error;
        ask_again(stream);
        return;
    }
    stream->moves++;
    if (!stream_poll(stream))
        stream_cancel(stream);
}

/* The name that is in use is the stream's own: a server still has its run, and the replies were lost. */
static void explain_in_use(const tilery_stream *stream, struct wire_error *why)
{
    const struct wire_error in_use = *why;

    (void)wire_error_set(why, WIRE_UNAVAILABLE, "%s; the stream cannot be opened anew: %s",
                         stream->moved ? stream->why.message : "the connection was lost before the reply",
                         in_use.message);
}

static void on_opened(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;
    struct wire_error why = {.status = WIRE_OK};

    if (reply == NULL)
        why = *error;
    else
        (void)!read_opened(stream, reply, server, &why);
    if (why.status == WIRE_ALREADY_EXISTS && (stream->moved || stream->id[0] == '\0'))
        explain_in_use(stream, &why);
    if (stream->moved)
        finish_moving(stream, &why);
    else
        finish_opening(stream, &why);
    stream_leave(stream);
}

enum wire_status stream_begin(tilery_stream *stream, uint64_t timeout_ms, struct wire_error *error)
{
    const struct tilery_call_options options = {.timeout_ms = timeout_ms,
                                                .request_id = stream->id,
                                                .traceparent = stream->traceparent,
                                                .wait_for_ready = stream->wait_for_ready};
    wire_encoding accept[] = {WIRE_UINT8, WIRE_UNIFORM};
    Tilery__V1__OpenStreamRequest open = TILERY__V1__OPEN_STREAM_REQUEST__INIT;
    const struct call_spec spec = {.method = OPEN,
                                   .request = &open.base,
                                   .options = &options,
                                   .retry = true,
                                   .one_id = true,
                                   .work_until_ns = stream->deadline_ns,
                                   .lost = stream->moved};
    struct tilery_compute_request rest = stream->request;
    Tilery__V1__ComputeRequest compute;
    Tilery__V1__Region region;

    stream->new_tiles = stream->plan.count;
    if (stream->moved) {
        narrow(stream, &rest);
        stream->new_tiles = rest.task_count;
    }
    stream->new_limit_ms = rest.time_limit_ms;
    call_fill_request(&rest, &region, &compute);
    open.compute = &compute;
    open.accept = accept;
    open.n_accept = sizeof accept / sizeof *accept;
    if (!stream_go(stream, stream->moved ? STREAM_MOVING : STREAM_OPENING))
        return WIRE_OK;
    return call_start(stream->client, &spec, on_opened, stream, error);
}

/* ---- Recovery ---- */

/* The server has ended the stream unasked, or another one serves while it cannot be reached. */
static bool is_lost(const tilery_stream *stream, uint64_t now)
{
    bool down = stream->why.status == WIRE_UNAVAILABLE && now - stream->down_ns >= GRACE_MS * NS_PER_MS;

    if (stream->why.status != WIRE_UNAVAILABLE && stream->why.status != WIRE_DEADLINE_EXCEEDED)
        return false;
    return now >= stream->lost_ns ||
           ((stream->refused || down) && client_has_another(stream->client, stream->server));
}

/* The rest anew. */
static void move(tilery_stream *stream)
{
    static const struct wire_error none = {.status = WIRE_OK};
    uint64_t left_ms =
        stream_time_left_ms(stream, stream->wait_for_ready ? WAIT_TIMEOUT_MS : MOVE_TIMEOUT_MS);
    struct wire_error error;

    if (left_ms == 0) {
        ask_again(stream);
    } else if (stream->received == stream->plan.count) {
        stream_over(stream, &none); /* the summary alone is lost */
    } else {
        server_avoid(stream->server);
        stream->moved = true;
        if (stream_begin(stream, left_ms, &error) != WIRE_OK)
            on_opened(stream, NULL, NULL, &error);
    }
}

/* A server that serves, and was never out of sight, has forgotten the stream, of which there is more to read.
 */
static void forgotten(tilery_stream *stream)
{
    (void)wire_error_set(
        &stream->why, WIRE_NOT_FOUND,
        "the server has given the stream up: its reader paused, or was stopped, for longer than "
        "its lease, %" PRIu64 " ms",
        stream->lease_ms);
    ask_again(stream);
}

static void on_checked(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;
    struct wire_error why;

    (void)error;
    if (reply != NULL && call_read_check(reply, server, &why) == WIRE_OK)
        forgotten(stream);
    else
        move(stream);
    stream_leave(stream);
}

/* The server does not know the stream: it was started again, or is about to stop; else somebody cancelled
 * the stream, or its reader paused for too long. */
static void check(tilery_stream *stream)
{
    const struct tilery_call_options options = {.timeout_ms = stream_time_left_ms(stream, CHECK_TIMEOUT_MS),
                                                .traceparent = stream->traceparent};
    struct wire_error error;

    if (stream->refused || server_connections(stream->server) != stream->connections)
        move(stream);
    else if (options.timeout_ms == 0)
        ask_again(stream);
    else if (stream_go(stream, STREAM_CHECKING) && call_start_check(stream->client, stream->server, &options,
                                                                    on_checked, stream, &error) != WIRE_OK)
        on_checked(stream, NULL, stream->server, &error);
}

void stream_recover(tilery_stream *stream)
{
    uint64_t now = wire_now_ns();

    if (now >= stream->deadline_ns || (stream->replied && stream->why.status == WIRE_DEADLINE_EXCEEDED)) {
        stream_over(stream, &stream->why);
        return;
    }
    if (stream->down_ns == 0)
        stream->down_ns = now;
    if (!stream->replied && stream->halvings < MAX_HALVINGS)
        stream->halvings++;
    stream->refused |= stream->replied && stream->why.status == WIRE_UNAVAILABLE;
    if (stream->moves + 1 >= client_max_attempts(stream->client))
        ask_again(stream);
    else if (stream->why.status == WIRE_NOT_FOUND)
        check(stream);
    else if (is_lost(stream, now))
        move(stream);
    else
        ask_again(stream);
}
