/* A stream's runs: the first, and others for the rest of the tasks where a server is lost. */
#include <inttypes.h>
#include <string.h>

#include "stream.h"
#include "wire/clock.h"

#define OPEN "tilery.v1.TileCompute/OpenStream"
/* A server whose connection is lost has so long to come back before another does the rest. */
#define GRACE_MS 200
/* How long a new run may take to be admitted. */
#define MOVE_TIMEOUT_MS 5000
/* How long a server that does not know the stream may take to say whether it serves. */
#define CHECK_TIMEOUT_MS 1000
#define MAX_LEASE_MS 60000

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

static enum wire_status open_run(tilery_stream *stream, const struct tilery_compute_request *rest,
                                 uint64_t timeout_ms, Tilery__V1__OpenStreamReply **out,
                                 struct server **server, struct wire_error *error)
{
    const struct tilery_call_options options = {.timeout_ms = timeout_ms, .request_id = stream->id};
    Tilery__V1__OpenStreamRequest open = TILERY__V1__OPEN_STREAM_REQUEST__INIT;
    const struct call_spec spec = {.method = OPEN, .request = &open.base, .options = &options, .retry = true};
    Tilery__V1__ComputeRequest compute;
    Tilery__V1__Region region;
    ProtobufCMessage *reply;
    struct wire_reply head;
    nng_msg *msg;

    *out = NULL;
    call_fill_request(rest, &region, &compute);
    open.compute = &compute;
    if (call_blocking(stream->client, &spec, &msg, server, error) != WIRE_OK)
        return error->status;
    wire_arena_reset(&stream->arena);
    stream->batch = NULL;
    stream->next = 0;
    if (call_decode(msg, &tilery__v1__open_stream_reply__descriptor, &stream->arena, &head, &reply, error) !=
        WIRE_OK)
        return error->status;
    *out = (Tilery__V1__OpenStreamReply *)(void *)reply;
    return WIRE_OK;
}

/* Each attempt to open a nameless stream has a name of its own: see make_frame. */
static bool take_id(tilery_stream *stream, const char *id)
{
    if (id == NULL || id[0] == '\0' || strlen(id) > WIRE_MAX_REQUEST_ID)
        return false;
    (void)wire_quote(stream->id, sizeof stream->id, id);
    return strcmp(stream->id, id) == 0;
}

enum wire_status stream_begin(tilery_stream *stream, uint64_t timeout_ms, struct wire_error *error)
{
    struct tilery_compute_request rest = stream->request;
    Tilery__V1__OpenStreamReply *opened;
    struct server *server;
    uint64_t tiles = stream->plan.count;

    if (stream->moved) {
        narrow(stream, &rest);
        tiles = rest.task_count;
    }
    if (open_run(stream, &rest, timeout_ms, &opened, &server, error) != WIRE_OK)
        return error->status;
    if (opened->tiles_planned != tiles)
        return wire_error_set(error, WIRE_INTERNAL,
                              "%" PRIu64 " tiles are planned where %" PRIu64 " were asked for",
                              opened->tiles_planned, tiles);
    if (stream->id[0] == '\0' && !take_id(stream, opened->stream_id))
        return wire_error_set(error, WIRE_INTERNAL, "the server gave the stream no name that could be used");
    stream->server = server;
    stream->refused = false;
    stream->run_tiles = tiles;
    stream->cursor = stream->run_ns = 0;
    stream->time_limit_ms = rest.time_limit_ms;
    stream->lease_ms = opened->lease_ms < MAX_LEASE_MS ? opened->lease_ms : MAX_LEASE_MS;
    stream->connections = server_connections(server);
    stream_heard(stream);
    return WIRE_OK;
}

/* The server does not know the stream: it was started again, or is about to stop; else somebody cancelled
 * the stream, or its reader paused for too long. */
static bool is_forgotten(const tilery_stream *stream)
{
    const struct tilery_call_options options = {.timeout_ms = stream_time_left_ms(stream, CHECK_TIMEOUT_MS)};
    struct wire_error error;

    return stream->refused || server_connections(stream->server) != stream->connections ||
           (options.timeout_ms != 0 &&
            call_check(stream->client, stream->server, "", &options, &error) != WIRE_OK);
}

/* The server has ended the stream unasked, or another one serves while it cannot be reached. */
static bool is_lost(const tilery_stream *stream, enum wire_status status)
{
    uint64_t now = wire_now_ns();
    bool down = status == WIRE_UNAVAILABLE && now - stream->down_ns >= GRACE_MS * NS_PER_MS;

    if (status == WIRE_NOT_FOUND)
        return is_forgotten(stream);
    if (status != WIRE_UNAVAILABLE && status != WIRE_DEADLINE_EXCEEDED)
        return false;
    return now >= stream->lost_ns ||
           ((stream->refused || down) && client_has_another(stream->client, stream->server));
}

/* The rest anew. */
static enum wire_status move(tilery_stream *stream, struct wire_error *error)
{
    uint64_t left_ms = stream_time_left_ms(stream, MOVE_TIMEOUT_MS);

    if (left_ms == 0)
        return error->status;
    if (stream->received == stream->plan.count) {
        stream->done = true; /* the summary alone is lost */
        return WIRE_OK;
    }
    server_avoid(stream->server);
    stream->moved = true;
    if (stream_begin(stream, left_ms, error) != WIRE_OK)
        return error->status;
    stream->moves++;
    return WIRE_OK;
}

/* Whether the same tiles can be asked for again: the connection was lost, or the server's memory for replies
 * is full, and it may still have them. */
static bool may_ask_again(const tilery_stream *stream, enum wire_status status)
{
    return (status == WIRE_UNAVAILABLE || status == WIRE_DEADLINE_EXCEEDED ||
            status == WIRE_RESOURCE_EXHAUSTED) &&
           wire_now_ns() < stream->lost_ns;
}

enum wire_status stream_recover(tilery_stream *stream, bool replied, struct wire_error *error)
{
    uint64_t now = wire_now_ns();

    if (now >= stream->deadline_ns)
        return error->status;
    if (stream->down_ns == 0)
        stream->down_ns = now;
    stream->refused |= replied && error->status == WIRE_UNAVAILABLE;
    if (stream->moves + 1 < client_max_attempts(stream->client) && is_lost(stream, error->status) &&
        move(stream, error) == WIRE_OK)
        return WIRE_OK;
    if (!may_ask_again(stream, error->status))
        return error->status;
    poll_pause();
    return WIRE_OK;
}
