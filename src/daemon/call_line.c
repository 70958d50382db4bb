/* What the log says of a call, and of a stream's run, which outlives the call that began it. */
#include <stdio.h>
#include <string.h>

#include "daemon/line.h"
#include "rpc/server.h"
#include "service/service.h"
#include "wire/limits.h"
#include "wire/traceparent.h"

/* Of what a caller wrote; the whole line, all of it escaped, has room for so much. */
#define MAX_METHOD 96
#define MAX_MESSAGE 320
#define MAX_PEER 64

/* NULL when the caller gave none, or none that is well formed. */
static const char *find_traceparent(const struct wire_request *request)
{
    for (size_t i = 0; i < request->metadata_count; i++)
        if (strcmp(request->metadata[i].key, "traceparent") == 0)
            return wire_traceparent_is_valid(request->metadata[i].value) ? request->metadata[i].value : NULL;
    return NULL;
}

static void add_traceparent(struct line *line, const struct wire_request *request)
{
    const char *value = find_traceparent(request);
    char known[WIRE_TRACEPARENT + 1];

    if (value == NULL)
        return;
    (void)snprintf(known, sizeof known, "%s", value);
    line_add_text(line, "traceparent", known, WIRE_TRACEPARENT);
}

static const char *level_of(enum wire_status status)
{
    switch (status) {
    case WIRE_OK:
        return "info";
    case WIRE_UNKNOWN:
    case WIRE_INTERNAL:
    case WIRE_DATA_LOSS:
        return "error";
    default:
        return "warn";
    }
}

void line_of_call(struct line *line, bool json, const struct timespec *when, const struct rpc_ended *ended)
{
    line_begin(line, json, when, level_of(ended->status));
    line_add_text(line, "method", ended->request->method, MAX_METHOD);
    line_add_text(line, "request_id", ended->request->request_id, WIRE_MAX_REQUEST_ID);
    if (ended->target != NULL)
        line_add_text(line, "target", ended->target, WIRE_MAX_REQUEST_ID);
    line_add_text(line, "peer", ended->peer, MAX_PEER);
    line_add_text(line, "code", wire_status_name(ended->status), MAX_PEER);
    line_add_ms(line, "queue_ms", ended->queue_ns);
    line_add_ms(line, "run_ms", ended->run_ns);
    line_add_ms(line, "total_ms", ended->total_ns);
    if (ended->has_items)
        line_add_count(line, "tiles", ended->items);
    add_traceparent(line, ended->request);
    if (ended->status != WIRE_OK)
        line_add_text(line, "message", ended->message, MAX_MESSAGE);
    line_end(line);
}

void line_of_stream(struct line *line, bool json, const struct timespec *when,
                    const struct service_stream_run *run)
{
    line_begin(line, json, when, level_of(run->status));
    line_add_text(line, "stream", run->id, WIRE_MAX_REQUEST_ID);
    line_add_text(line, "code", wire_status_name(run->status), MAX_PEER);
    line_add_ms(line, "queue_ms", run->queue_ns);
    line_add_ms(line, "run_ms", run->run_ns);
    line_add_count(line, "tiles", run->tiles);
    line_end(line);
}
