#include "json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest piece, the summary without its threads, is well below this: ten keys, numbers of at most
 * twenty digits, and a kernel's name of at most MAX_NAME characters. */
#define MAX_PIECE 768u
#define MAX_NAME 64

_Static_assert(JSON_MIN_BUFFER > MAX_PIECE, "a piece fits any buffer");

void json_reply_init(struct json_reply *reply, const struct tilery_compute_request *request,
                     const tilery_result *result, const struct json_options *options)
{
    *reply = (struct json_reply){.request = request, .result = result};
    if (options != NULL)
        reply->options = *options;
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

/* The shortest form that reads back as the same double. JSON has no infinities; the server sends none. */
static char *put_double(char *out, const char *key, double value)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return put_text(put_text(out, key), isfinite(value) ? text : "null");
}

/* Names come from lists of lower-case words; what is none of these, from elsewhere, is left out. */
static char *put_name(char *out, const char *key, const char *name)
{
    out = put_text(put_text(out, key), "\"");
    for (size_t i = 0; name[i] != '\0' && i < MAX_NAME; i++)
        if (isalnum((unsigned char)name[i]) || name[i] == '_' || name[i] == '-')
            *out++ = name[i];
    return put_text(out, "\"");
}

static char *put_record(char *out, const struct tilery_record *record, bool ns)
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
    if (ns) {
        out = put_number(out, ",\"start_time_ns\":", record->start_time_ns);
        out = put_number(out, ",\"duration_ns\":", record->duration_ns);
    }
    return put_text(out, "}");
}

/* What was asked for beyond the document. */
static char *put_choices(char *out, const struct tilery_compute_request *request,
                         const struct json_options *options)
{
    const struct tilery_region *region = &request->region;

    if (options->schedule)
        out = put_name(out, ",\"schedule\":", tilery_schedule_name(request->schedule));
    if (options->kernel)
        out = put_name(out, ",\"kernel\":", request->kernel);
    if (options->region) {
        out = put_double(out, ",\"region\":[", region->re_min);
        out = put_double(out, ",", region->im_min);
        out = put_double(out, ",", region->re_span);
        out = put_double(out, ",", region->im_span);
        out = put_text(out, "]");
    }
    return out;
}

static char *put_tail(char *out, const struct json_reply *reply)
{
    const struct tilery_compute_request *request = reply->request;
    bool concurrent = request->mode != TILERY_MODE_SEQUENTIAL;

    out = put_number(out, "],\"params\":{\"width\":", request->width);
    out = put_number(out, ",\"height\":", request->height);
    out = put_number(out, ",\"tile_w\":", request->tile_w);
    out = put_number(out, ",\"tile_h\":", request->tile_h);
    out = put_number(out, ",\"max_iter\":", request->max_iter);
    out = put_number(out, ",\"time_limit_ms\":", request->time_limit_ms);
    if (concurrent)
        out = put_number(out, ",\"num_threads\":", request->num_threads);
    out = put_choices(out, request, &reply->options);
    return put_text(out, concurrent ? ",\"mode\":\"concurrent\"},\"message\":\"Concurrent tasks executed "
                                      "successfully\""
                                    : ",\"mode\":\"sequential\"},\"message\":\"Sequential tasks executed "
                                      "successfully\"");
}

static char *put_summary(char *out, const tilery_result *result)
{
    struct tilery_summary summary = tilery_result_summary(result);

    out = put_number(out, ",\"summary\":{\"wall_ns\":", summary.wall_ns);
    out = put_number(out, ",\"queue_ns\":", summary.queue_ns);
    out = put_number(out, ",\"tiles_planned\":", summary.tiles_planned);
    out = put_number(out, ",\"tiles_done\":", summary.tiles_done);
    out = put_text(out, summary.time_limited ? ",\"time_limited\":true" : ",\"time_limited\":false");
    out = put_number(out, ",\"pixels\":", summary.pixels);
    out = put_number(out, ",\"iterations\":", summary.iterations);
    out = put_double(out, ",\"imbalance\":", summary.imbalance);
    out = put_name(out, ",\"kernel\":", summary.kernel);
    out = put_name(out, ",\"schedule\":", tilery_schedule_name(summary.schedule));
    return put_text(out, ",\"threads\":[");
}

static char *put_records(struct json_reply *reply, char *out, const char *end)
{
    size_t count = tilery_result_count(reply->result);

    for (; reply->next < count && (size_t)(end - out) >= MAX_PIECE; reply->next++) {
        struct tilery_record record = tilery_result_record(reply->result, reply->next);

        if (reply->next != 0)
            out = put_text(out, ",");
        out = put_record(out, &record, reply->options.ns);
    }
    if (reply->next == count)
        reply->stage = JSON_TAIL;
    return out;
}

static char *put_threads(struct json_reply *reply, char *out, const char *end)
{
    size_t count = tilery_result_summary(reply->result).threads;

    for (; reply->next < count && (size_t)(end - out) >= MAX_PIECE; reply->next++) {
        struct tilery_thread thread = tilery_result_thread(reply->result, reply->next);

        out = put_number(out, reply->next != 0 ? ",{\"thread_id\":" : "{\"thread_id\":", thread.thread_id);
        out = put_number(out, ",\"busy_ns\":", thread.busy_ns);
        out = put_number(out, ",\"tiles\":", thread.tiles);
        out = put_text(out, "}");
    }
    if (reply->next == count)
        reply->stage = JSON_CLOSE;
    return out;
}

static char *put_stage(struct json_reply *reply, char *out, const char *end)
{
    switch (reply->stage) {
    case JSON_HEAD:
        reply->stage = JSON_RECORDS;
        return put_text(out, "{\"success\":true,\"data\":[");
    case JSON_RECORDS:
        return put_records(reply, out, end);
    case JSON_TAIL:
        reply->stage = reply->options.summary ? JSON_SUMMARY : JSON_CLOSE;
        return put_tail(out, reply);
    case JSON_SUMMARY:
        reply->stage = JSON_THREADS;
        reply->next = 0;
        return put_summary(out, reply->result);
    case JSON_THREADS:
        return put_threads(reply, out, end);
    case JSON_CLOSE:
        reply->stage = JSON_END;
        return put_text(out, reply->options.summary ? "]}}" : "}");
    case JSON_END:
        break;
    }
    return out;
}

size_t json_reply_next(struct json_reply *reply, char *buffer, size_t size)
{
    char *out = buffer;
    const char *end = buffer + size;

    while (reply->stage != JSON_END && (size_t)(end - out) >= MAX_PIECE)
        out = put_stage(reply, out, end);
    return (size_t)(out - buffer);
}
