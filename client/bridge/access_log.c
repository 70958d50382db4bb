#include "access_log.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/line.h"
#include "daemon/log.h"

/* Of what a caller wrote; the whole line has room for so much, all of it escaped, as the message, which is
 * printable, needs not be. */
#define MAX_METHOD 32
#define MAX_PATH 256
#define MAX_TEXT 80
#define MAX_MESSAGE 200

struct access_log {
    struct log *log;
    bool json;
};

enum wire_status access_log_create(bool json, struct access_log **out, struct wire_error *error)
{
    struct access_log *log = malloc(sizeof *log);

    *out = NULL;
    if (log == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the log");
    log->json = json;
    if (log_create(STDERR_FILENO, json, &log->log, error) != WIRE_OK) {
        free(log);
        return error->status;
    }
    *out = log;
    return WIRE_OK;
}

void access_log_free(struct access_log *log)
{
    if (log == NULL)
        return;
    log_free(log->log);
    free(log);
}

static const char *level_of(unsigned http)
{
    if (http < 400)
        return "info";
    return http == 500 ? "error" : "warn";
}

void access_log_write(void *arg, const struct bridge_answered *answered)
{
    struct access_log *log = arg;
    struct timespec now;
    struct line line;

    clock_gettime(CLOCK_REALTIME, &now);
    line_begin(&line, log->json, &now, level_of(answered->http));
    line_add_text(&line, "method", answered->method, MAX_METHOD);
    line_add_text(&line, "path", answered->path, MAX_PATH);
    line_add_count(&line, "status", answered->http);
    line_add_count(&line, "bytes", answered->bytes);
    line_add_text(&line, "request_id", answered->request_id, MAX_TEXT);
    line_add_text(&line, "peer", answered->peer, MAX_TEXT);
    if (answered->computed) {
        line_add_ms(&line, "queue_ms", answered->queue_ns);
        line_add_ms(&line, "run_ms", answered->run_ns);
    }
    line_add_ms(&line, "total_ms", answered->total_ns);
    line_add_text(&line, "traceparent", answered->traceparent, MAX_TEXT);
    if (answered->cut_short)
        line_add_text(&line, "message", "the client left, or read no further", MAX_MESSAGE);
    else if (answered->message[0] != '\0')
        line_add_text(&line, "message", answered->message, MAX_MESSAGE);
    line_end(&line);
    log_line(log->log, &line);
}
