#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A record's longest form is well below this: eleven keys and numbers of at most twenty digits. */
#define MAX_PIECE 512u

_Static_assert(JSON_MIN_BUFFER > MAX_PIECE, "a piece fits any buffer");

void json_reply_init(struct json_reply *reply, const struct tilery_compute_request *request,
                     const tilery_result *result)
{
    *reply = (struct json_reply){.request = request, .result = result};
}

static char *put_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return out + len;
}

static char *put_number(char *out, const char *key, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;

    do
        digits[--n] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    out = put_text(out, key);
    memcpy(out, &digits[n], sizeof digits - n);
    return out + (sizeof digits - n);
}

static char *put_record(char *out, const struct tilery_record *record)
{
    out = put_number(out, "{\"task_id\":", record->task_id);
    out = put_number(out, ",\"thread_id\":", record->thread_id);
    out = put_number(out, ",\"tile_x\":", record->tile_x);
    out = put_number(out, ",\"tile_y\":", record->tile_y);
    out = put_number(out, ",\"tile_w\":", record->tile_w);
    out = put_number(out, ",\"tile_h\":", record->tile_h);
    out = put_number(out, ",\"start_time_ms\":", record->start_time_ms);
    out = put_number(out, ",\"duration_ms\":", record->duration_ms);
    out = put_number(out, ",\"pixels_computed\":", record->pixels_computed);
    return put_text(out, "}");
}

static char *put_tail(char *out, const struct tilery_compute_request *request)
{
    bool concurrent = request->mode != TILERY_MODE_SEQUENTIAL;

    out = put_number(out, "],\"params\":{\"width\":", request->width);
    out = put_number(out, ",\"height\":", request->height);
    out = put_number(out, ",\"tile_w\":", request->tile_w);
    out = put_number(out, ",\"tile_h\":", request->tile_h);
    out = put_number(out, ",\"max_iter\":", request->max_iter);
    out = put_number(out, ",\"time_limit_ms\":", request->time_limit_ms);
    if (concurrent)
        out = put_number(out, ",\"num_threads\":", request->num_threads);
    return put_text(
        out, concurrent
                 ? ",\"mode\":\"concurrent\"},\"message\":\"Concurrent tasks executed successfully\"}"
                 : ",\"mode\":\"sequential\"},\"message\":\"Sequential tasks executed successfully\"}");
}

static char *put_records(struct json_reply *reply, char *out, const char *end)
{
    size_t count = tilery_result_count(reply->result);

    for (; reply->next < count && (size_t)(end - out) >= MAX_PIECE; reply->next++) {
        struct tilery_record record = tilery_result_record(reply->result, reply->next);

        if (reply->next != 0)
            out = put_text(out, ",");
        out = put_record(out, &record);
    }
    if (reply->next == count)
        reply->stage = JSON_TAIL;
    return out;
}

size_t json_reply_next(struct json_reply *reply, char *buffer, size_t size)
{
    char *out = buffer;
    const char *end = buffer + size;

    if (reply->stage == JSON_HEAD) {
        out = put_text(out, "{\"success\":true,\"data\":[");
        reply->stage = JSON_RECORDS;
    }
    if (reply->stage == JSON_RECORDS)
        out = put_records(reply, out, end);
    if (reply->stage == JSON_TAIL && (size_t)(end - out) >= MAX_PIECE) {
        out = put_tail(out, reply->request);
        reply->stage = JSON_END;
    }
    return (size_t)(out - buffer);
}
