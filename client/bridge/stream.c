/* /api/compute/stream, and the end of its runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accept.h"
#include "internal.h"
#include "wire/status.h"

#define SSE "text/event-stream"
#define NDJSON "application/x-ndjson"

/* What a connection's end here may hold of events that nobody has: little, so that those that are kept are
 * more. */
#define SEND_BUFFER_BYTES (128 << 10)
/* Of a piece that libmicrohttpd sends at once. */
#define BLOCK_BYTES 16384u

struct wanted {
    struct accepted sse, ndjson;
};

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct wanted *wanted = arg;

    (void)kind;
    if (strcasecmp(name, MHD_HTTP_HEADER_ACCEPT) == 0 && value != NULL) {
        accept_look(&wanted->sse, value, SSE);
        accept_look(&wanted->ndjson, value, NDJSON);
    }
    return MHD_YES;
}

/* Whoever wants neither, or both alike, gets server-sent events. */
static bool wants_ndjson(const struct exchange *exchange)
{
    struct wanted wanted = {{0}, {0}};

    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, look_at_header, &wanted);
    return accept_prefers(wanted.ndjson, wanted.sse);
}

static const char *type_of(const struct exchange *exchange)
{
    return wants_ndjson(exchange) ? NDJSON : SSE;
}

static bool is_head(const struct exchange *exchange)
{
    return strcmp(exchange->method, "HEAD") == 0;
}

/* ---- Answers ---- */

/* libmicrohttpd's last word on the response, before that on the request. */
static void free_feed(void *arg)
{
    struct feed *feed = arg;

    run_detach(feed);
    free(feed);
}

static struct feed *new_feed(struct exchange *exchange)
{
    struct feed *feed = calloc(1, sizeof *feed);

    if (feed == NULL)
        return NULL;
    feed->connection = exchange->connection;
    feed->bytes = &exchange->bytes;
    feed->times = &exchange->times;
    feed->ndjson = wants_ndjson(exchange);
    return feed;
}

/* The feed is attached. */
static enum MHD_Result send_feed(struct exchange *exchange, struct feed *feed)
{
    const int fd =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const int size = SEND_BUFFER_BYTES;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, run_read, feed, free_feed);

    if (response == NULL) {
        free_feed(feed);
        return MHD_NO;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    peer_calls(exchange->bridge->watch, exchange->peer, feed->id);
    return bridge_send_events(exchange, response, type_of(exchange));
}

static const char *header_id(const struct exchange *exchange)
{
    const char *id = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Last-Event-ID");

    return id != NULL && id[0] != '\0' ? id : NULL;
}

/* What it came by. */
static const char *id_name(const struct exchange *exchange)
{
    return header_id(exchange) != NULL ? "Last-Event-ID" : "last_event_id";
}

static enum MHD_Result refuse_attach(struct exchange *exchange, enum run_attached why)
{
    char message[100];

    switch (why) {
    case RUN_SENT:
        return bridge_send_empty(exchange); /* a browser does not come again then */
    case RUN_AHEAD:
        (void)snprintf(message, sizeof message, "%s names an event that there has not been",
                       id_name(exchange));
        return bridge_refuse(exchange, MHD_HTTP_BAD_REQUEST, message, NULL);
    case RUN_FORGOTTEN:
        (void)snprintf(message, sizeof message, "the events after %s are not kept any more; begin anew",
                       id_name(exchange));
        return bridge_refuse(exchange, MHD_HTTP_GONE, message, NULL);
    default:
        return bridge_refuse(exchange, MHD_HTTP_NOT_FOUND,
                             "there is no such run: it was ended, or nobody read it for too long", NULL);
    }
}

/* Lets go of the run. */
static enum MHD_Result attach(struct exchange *exchange, struct run *run, uint64_t after)
{
    struct feed *feed = new_feed(exchange);
    enum run_attached found = feed != NULL ? run_attach(run, feed, after) : RUN_ENDED;

    run_release(run);
    if (feed == NULL)
        return MHD_NO;
    if (found == RUN_ATTACHED)
        return send_feed(exchange, feed);
    free(feed);
    return refuse_attach(exchange, found);
}

/* What GET would be answered with. Lets go of the run. */
static enum MHD_Result look(struct exchange *exchange, struct run *run, uint64_t after)
{
    enum run_attached found = run_attach(run, NULL, after);

    run_release(run);
    return found == RUN_ATTACHED ? bridge_send_head(exchange, type_of(exchange))
                                 : refuse_attach(exchange, found);
}

/* ---- Begun ---- */

static void opened(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct exchange *exchange = arg;

    exchange->stream = stream;
    bridge_called(exchange, error);
}

static enum MHD_Result answer_stream(struct exchange *exchange)
{
    struct run_start start = {.stream = exchange->stream,
                              .request = &exchange->request,
                              .options = &exchange->json,
                              .share = exchange->budget_share};
    struct run *run;

    if (exchange->failed)
        return bridge_send_failure(exchange);
    run = runs_add(exchange->bridge->runs, &start);
    if (run == NULL)
        return bridge_refuse(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no room for the run", NULL);
    exchange->stream = NULL;
    exchange->budget_share = 0;
    /* As long as the run is in the table, which ends it. */
    tilery_stream_keep(start.stream, UINT64_MAX);
    return attach(exchange, run, 0);
}

static enum MHD_Result open_stream(struct exchange *exchange)
{
    const struct tilery_call_options named = bridge_stream_options(exchange);
    struct tilery_error error;

    if (!bridge_reserve(exchange, runs_share(&exchange->request)))
        return bridge_send_failure(exchange);
    bridge_suspend(exchange, answer_stream);
    peer_calls(exchange->bridge->watch, exchange->peer, exchange->call_id);
    if (tilery_stream_open_async(exchange->bridge->options.client, &exchange->request, &named, opened,
                                 exchange, &error) != TILERY_OK)
        bridge_called(exchange, &error);
    return MHD_YES;
}

/* ---- Resumed ---- */

static enum MHD_Result resume(struct exchange *exchange, const char *id)
{
    char name[33], shown[80], message[200];
    struct run *run;
    uint64_t number;

    if (!bridge_read_event_id(id, name, &number)) {
        (void)snprintf(message, sizeof message,
                       "%s is \"%s\"; it must be the id of an event as it was sent, RUN/N", id_name(exchange),
                       wire_quote(shown, sizeof shown, id));
        return bridge_refuse(exchange, MHD_HTTP_BAD_REQUEST, message, NULL);
    }
    run = runs_find(exchange->bridge->runs, name);
    if (run == NULL)
        return refuse_attach(exchange, RUN_ENDED);
    return is_head(exchange) ? look(exchange, run, number) : attach(exchange, run, number);
}

/* The header is a browser's own, and newer than what stands in the URL. An empty one is none. */
static const char *last_event_id(const struct exchange *exchange)
{
    const char *id = header_id(exchange);

    if (id == NULL)
        id = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "last_event_id");
    return id != NULL && id[0] != '\0' ? id : NULL;
}

enum MHD_Result bridge_stream(struct exchange *exchange)
{
    const char *last = last_event_id(exchange);

    exchange->streams = true;
    if (last != NULL)
        return resume(exchange, last);
    tilery_compute_request_init(&exchange->request);
    exchange->request.mode = TILERY_MODE_CONCURRENT;
    if (!bridge_read_params(exchange))
        return bridge_send_failure(exchange);
    return is_head(exchange) ? bridge_send_head(exchange, type_of(exchange)) : open_stream(exchange);
}

enum MHD_Result bridge_end_run(struct exchange *exchange)
{
    const char *id = strrchr(exchange->path, '/') + 1;

    if (runs_end(exchange->bridge->runs, id))
        return bridge_send_empty(exchange);
    return refuse_attach(exchange, RUN_ENDED);
}
