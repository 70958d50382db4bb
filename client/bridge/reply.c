#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "internal.h"
#include "json.h"

/* Answers of up to so many records are written in one piece, with their length; larger ones are streamed. */
#define SMALL_RECORDS 256u
#define RECORD_BYTES 224u
#define STREAM_BYTES 16384u

/* Queues the response and lets go of it. */
static enum MHD_Result queue(struct exchange *exchange, unsigned http, struct MHD_Response *response)
{
    enum MHD_Result queued;

    if (response == NULL)
        return MHD_NO;
    bridge_add_cors(exchange->bridge, exchange->connection, response);
    queued = MHD_queue_response(exchange->connection, http, response);
    MHD_destroy_response(response);
    return queued;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (response != NULL)
        (void)MHD_add_response_header(response, name, value);
}

/* Takes over the JSON. */
static struct MHD_Response *json_response(json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    struct MHD_Response *response = NULL;

    json_decref(json);
    if (text != NULL)
        response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    add_header(response, "Content-Type", "application/json");
    return response;
}

enum MHD_Result bridge_send_error(struct exchange *exchange, unsigned http, const struct tilery_error *error,
                                  const char *allow)
{
    json_t *json = json_pack("{s:b, s:s}", "success", 0, "error", error->message);
    struct MHD_Response *response;
    char seconds[24];

    if (http == MHD_HTTP_SERVICE_UNAVAILABLE && json != NULL)
        (void)json_object_set_new(json, "message", json_string("The Tilery server cannot be reached"));
    response = json_response(json);
    if (allow != NULL)
        add_header(response, "Allow", allow);
    if (http == MHD_HTTP_TOO_MANY_REQUESTS) {
        (void)snprintf(seconds, sizeof seconds, "%" PRIu64, (error->retry_after_ms + 999) / 1000);
        add_header(response, "Retry-After", seconds);
    }
    return queue(exchange, http, response);
}

enum MHD_Result bridge_send_health(struct exchange *exchange, bool serving, const char *message)
{
    json_t *json = json_pack("{s:b, s:s, s:s}", "rustism_available", serving, "status",
                             serving ? "ok" : "unavailable", "message", message);

    return queue(exchange, serving ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, json_response(json));
}

enum MHD_Result bridge_send_empty(struct exchange *exchange, unsigned http)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

    if (http == MHD_HTTP_OK)
        add_header(response, "Content-Type", "application/json");
    return queue(exchange, http, response);
}

/* A streamed answer: what is left to write, and the piece that is being sent. Freed with the response. */
struct body {
    struct json_reply json;
    struct tilery_compute_request request;
    tilery_result *result;
    size_t used, len;
    char piece[STREAM_BYTES];
};

static void free_body(void *arg)
{
    struct body *body = arg;

    tilery_result_free(body->result);
    free(body);
}

static ssize_t read_body(void *arg, uint64_t position, char *buffer, size_t size)
{
    struct body *body = arg;

    (void)position;
    if (body->used == body->len) {
        body->used = 0;
        body->len = json_reply_next(&body->json, body->piece, sizeof body->piece);
        if (body->len == 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (size > body->len - body->used)
        size = body->len - body->used;
    memcpy(buffer, &body->piece[body->used], size);
    body->used += size;
    return (ssize_t)size;
}

static struct MHD_Response *streamed(struct exchange *exchange)
{
    struct body *body = malloc(sizeof *body);
    struct MHD_Response *response;

    if (body == NULL)
        return NULL;
    body->request = exchange->request;
    body->result = exchange->result;
    body->used = body->len = 0;
    json_reply_init(&body->json, &body->request, body->result);
    exchange->result = NULL;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES, read_body, body, free_body);
    if (response == NULL)
        free_body(body);
    return response;
}

static struct MHD_Response *in_one_piece(struct exchange *exchange)
{
    size_t size = 2 * JSON_MIN_BUFFER + tilery_result_count(exchange->result) * RECORD_BYTES, len = 0, piece;
    struct MHD_Response *response = NULL;
    struct json_reply json;
    char *text = malloc(size);

    if (text == NULL)
        return NULL;
    json_reply_init(&json, &exchange->request, exchange->result);
    while ((piece = json_reply_next(&json, text + len, size - len)) != 0)
        len += piece;
    response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(text);
    return response;
}

enum MHD_Result bridge_send_result(struct exchange *exchange)
{
    bool small = tilery_result_count(exchange->result) <= SMALL_RECORDS;
    struct MHD_Response *response = small ? in_one_piece(exchange) : streamed(exchange);

    add_header(response, "Content-Type", "application/json");
    return queue(exchange, MHD_HTTP_OK, response);
}
