#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "exposition.h"
#include "internal.h"
#include "pretty.h"
#include "wire/clock.h"

/* Answers of up to so many records are written in one piece, with their length; larger ones are streamed. */
#define SMALL_RECORDS 256u
#define RECORD_BYTES 320u
#define THREAD_BYTES 256u
#define STREAM_BYTES 16384u
#define TEXT_BYTES 4096u

#define JSON "application/json"

/* The page loads its own files and asks its own service, and no other page frames it. */
#define PAGE_POLICY                                                                                      \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: " \
    "blob:; "                                                                                            \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (response != NULL)
        (void)MHD_add_response_header(response, name, value);
}

/* https://www.w3.org/TR/server-timing/, in milliseconds: waiting for threads, the run, the whole request; as
 * far as they are known when the answer begins. */
static void add_timing(const struct exchange *exchange, struct MHD_Response *response)
{
    const char *before = "total;dur=";
    char value[128], *end = value;

    if (exchange->times.known) {
        end = format_ns(end, "queue;dur=", exchange->times.queue_ns, 2);
        end = format_ns(end, ", run;dur=", exchange->times.run_ns, 2);
        before = ", total;dur=";
    }
    end = format_ns(end, before, wire_now_ns() - exchange->begin_ns, 2);
    *end = '\0';
    add_header(response, "Server-Timing", value);
}

/* Queues the response and lets go of it. */
static enum MHD_Result queue(struct exchange *exchange, unsigned http, struct MHD_Response *response)
{
    enum MHD_Result queued;

    if (response == NULL)
        return MHD_NO;
    exchange->http = http;
    if (strcmp(exchange->method, "HEAD") == 0)
        exchange->bytes = 0;
    bridge_add_cors(exchange, response);
    if (MHD_get_response_header(response, "Cache-Control") == NULL)
        add_header(response, "Cache-Control", "no-store"); /* the time that it took is what was asked for */
    add_timing(exchange, response);
    add_header(response, "X-Request-Id", exchange->id);
    add_header(response, "traceparent", exchange->traceparent);
    add_header(response, "X-Content-Type-Options", "nosniff");
    if (exchange->closes || exchange->bridge->draining)
        add_header(response, "Connection", "close");
    queued = MHD_queue_response(exchange->connection, http, response);
    MHD_destroy_response(response);
    return queued;
}

/* Takes over the text, which malloc made; NULL where there was no memory. */
static struct MHD_Response *whole(struct exchange *exchange, char *text, size_t len, const char *type)
{
    struct MHD_Response *response = NULL;

    if (text != NULL)
        response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    exchange->bytes = len;
    add_header(response, "Content-Type", type);
    return response;
}

/* Takes over the JSON. */
static struct MHD_Response *json_response(struct exchange *exchange, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return whole(exchange, text, text != NULL ? strlen(text) : 0, JSON);
}

enum MHD_Result bridge_send_error(struct exchange *exchange, unsigned http, const struct tilery_error *error,
                                  const char *allow)
{
    json_t *json = json_pack("{s:b, s:s}", "success", 0, "error", error->message);
    struct MHD_Response *response;
    char seconds[24];

    exchange->error = *error; /* for the log */
    if (http == MHD_HTTP_SERVICE_UNAVAILABLE && json != NULL)
        (void)json_object_set_new(json, "message", json_string(runs_unavailable(error)));
    response = json_response(exchange, json);
    if (allow != NULL)
        add_header(response, "Allow", allow);
    if (http == MHD_HTTP_UNAUTHORIZED) /* a server's word is not of the caller's token */
        add_header(response, "WWW-Authenticate",
                   error->status == TILERY_UNAUTHENTICATED ? "Bearer realm=\"backend\"" : "Bearer");
    if (http == MHD_HTTP_TOO_MANY_REQUESTS) {
        (void)snprintf(seconds, sizeof seconds, "%" PRIu64,
                       error->retry_after_ms / 1000 + (error->retry_after_ms % 1000 != 0));
        add_header(response, "Retry-After", seconds);
    }
    return queue(exchange, http, response);
}

enum MHD_Result bridge_send_health(struct exchange *exchange, bool serving, const char *message)
{
    json_t *json = json_pack("{s:b, s:s, s:s}", "rustism_available", serving, "status",
                             serving ? "ok" : "unavailable", "message", message);

    return queue(exchange, serving ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                 json_response(exchange, json));
}

enum MHD_Result bridge_send_text(struct exchange *exchange, unsigned http, const char *text)
{
    return queue(exchange, http, whole(exchange, strdup(text), strlen(text), "text/plain; charset=utf-8"));
}

enum MHD_Result bridge_send_metrics(struct exchange *exchange, char *text, size_t len)
{
    return queue(exchange, MHD_HTTP_OK, whole(exchange, text, len, EXPOSITION_TYPE));
}

enum MHD_Result bridge_send_constant(struct exchange *exchange, const char *type, const void *bytes,
                                     size_t len)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, MHD_RESPMEM_PERSISTENT);

    exchange->bytes = len;
    add_header(response, "Content-Type", type);
    return queue(exchange, MHD_HTTP_OK, response);
}

/* If-None-Match, https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2: compared weakly, as W/ does not stand
 * within the quotes. */
static bool client_has(const struct exchange *exchange, const char *etag)
{
    const char *known =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);

    return known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL);
}

enum MHD_Result bridge_send_file(struct exchange *exchange, const struct web_file *file)
{
    bool has = client_has(exchange, file->etag);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(file->len, (void *)(uintptr_t)file->bytes, MHD_RESPMEM_PERSISTENT);

    exchange->bytes = has ? 0 : file->len;
    if (!has)
        add_header(response, "Content-Type", file->type);
    add_header(response, "ETag", file->etag);
    add_header(response, "Cache-Control", "no-cache");
    add_header(response, "Content-Security-Policy", PAGE_POLICY);
    add_header(response, "Referrer-Policy", "no-referrer");
    return queue(exchange, has ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

enum MHD_Result bridge_send_pieces(struct exchange *exchange, const char *type, const char *disposition,
                                   MHD_ContentReaderCallback read)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES, read, exchange, NULL);

    add_header(response, "Content-Type", type);
    add_header(response, "Content-Disposition", disposition);
    return queue(exchange, MHD_HTTP_OK, response);
}

enum MHD_Result bridge_send_empty(struct exchange *exchange)
{
    return queue(exchange, MHD_HTTP_NO_CONTENT,
                 MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

enum MHD_Result bridge_send_events(struct exchange *exchange, struct MHD_Response *response, const char *type)
{
    add_header(response, "Content-Type", type);
    return queue(exchange, MHD_HTTP_OK, response);
}

static ssize_t read_nothing(void *arg, uint64_t position, char *buffer, size_t size)
{
    (void)arg;
    (void)position;
    (void)buffer;
    (void)size;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

/* Without the body, and so without its length, which is nobody's to invent:
 * https://www.rfc-editor.org/rfc/rfc9110#section-8.6. libmicrohttpd 0.9.75 would end it with a chunk, unless
 * it closes the connection. */
enum MHD_Result bridge_send_head(struct exchange *exchange, const char *type)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, read_nothing, NULL, NULL);

    if (response != NULL)
        (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    add_header(response, "Content-Type", type);
    return queue(exchange, MHD_HTTP_OK, response);
}

/* A streamed answer: what is left to write, and the piece that is being sent. Freed with the response, which
 * the exchange outlives. */
struct body {
    struct exchange *exchange;
    struct format_writer json;
    struct pretty layout;
    bool pretty;
    size_t used, len, text_used, text_len;
    char text[TEXT_BYTES]; /* not yet laid out */
    char piece[STREAM_BYTES];
};

/* The next piece's length; 0 after the last. */
static size_t next_piece(struct body *body)
{
    if (!body->pretty)
        return format_next(&body->json, body->piece, sizeof body->piece);
    if (body->text_used == body->text_len) {
        body->text_used = 0;
        body->text_len = format_next(&body->json, body->text, sizeof body->text);
    }
    return pretty_next(&body->layout, body->text, body->text_len, &body->text_used, body->piece,
                       sizeof body->piece);
}

static ssize_t read_body(void *arg, uint64_t position, char *buffer, size_t size)
{
    struct body *body = arg;

    (void)position;
    if (body->used == body->len) {
        body->used = 0;
        body->len = next_piece(body);
        if (body->len == 0) {
            bridge_let_go(body->exchange); /* before the client knows, who may ask again at once */
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
    }
    if (size > body->len - body->used)
        size = body->len - body->used;
    memcpy(buffer, &body->piece[body->used], size);
    body->used += size;
    body->exchange->bytes += size;
    return (ssize_t)size;
}

/* Of the tiles, or where they are NULL, of the result. */
static struct MHD_Response *streamed(struct exchange *exchange, const struct format_tiles *tiles)
{
    struct body *body = calloc(1, sizeof *body);
    struct MHD_Response *response;

    if (body == NULL)
        return NULL;
    body->exchange = exchange;
    body->pretty = exchange->pretty;
    if (tiles != NULL)
        format_init_tiles(&body->json, FORMAT_JSON, &exchange->request, tiles, &exchange->json);
    else
        format_init(&body->json, exchange->format, &exchange->request, exchange->result, &exchange->json);
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES, read_body, body, free);
    if (response == NULL)
        free(body);
    add_header(response, "Content-Type", JSON);
    return response;
}

static struct MHD_Response *in_one_piece(struct exchange *exchange)
{
    size_t size = 4 * FORMAT_MIN_BUFFER + tilery_result_count(exchange->result) * RECORD_BYTES +
                  tilery_result_summary(exchange->result).threads * THREAD_BYTES;
    size_t len = 0, piece;
    struct format_writer json;
    char *text = malloc(size);

    if (text == NULL)
        return NULL;
    format_init(&json, exchange->format, &exchange->request, exchange->result, &exchange->json);
    while ((piece = format_next(&json, text + len, size - len)) != 0)
        len += piece;
    return whole(exchange, text, len, JSON);
}

enum MHD_Result bridge_send_result(struct exchange *exchange)
{
    bool small = tilery_result_count(exchange->result) <= SMALL_RECORDS && !exchange->pretty;

    return queue(exchange, MHD_HTTP_OK, small ? in_one_piece(exchange) : streamed(exchange, NULL));
}

enum MHD_Result bridge_send_tiles(struct exchange *exchange, const struct format_tiles *tiles)
{
    return queue(exchange, MHD_HTTP_OK, streamed(exchange, tiles));
}
