/*
 * Chrome's trace event format, as Perfetto reads it:
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Times are in us, with the
 * ns as their fraction. Each tile is a complete event in its thread's lane; the time limit is an instant one.
 * An attempt at what a lost server left undone has a clock of its own: it is a process of its own.
 */
#include "internal.h"

enum { HEAD, LANES, TILES, CLOSE };

static char *put_lanes(struct format_writer *writer, char *out, const char *end)
{
    size_t count = format_summary_of(writer).threads;

    for (; writer->next < count && format_fits(out, end); writer->next++) {
        uint32_t thread = format_next_thread(writer).thread_id;

        out = format_number(out, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":", thread);
        out = format_number(out, ",\"name\":\"thread_name\",\"args\":{\"name\":\"thread ", thread);
        out = format_number(out, "\"}},\n{\"ph\":\"M\",\"pid\":1,\"tid\":", thread);
        out = format_number(out, ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":", thread);
        out = format_text(out, "}}");
    }
    if (writer->next == count)
        format_enter(writer, TILES);
    return out;
}

static char *put_tile(char *out, const struct tilery_record *record, const uint32_t *attempt)
{
    out = format_number(out, ",\n{\"ph\":\"X\",\"pid\":", 1 + (attempt != NULL ? *attempt : 0));
    out = format_number(out, ",\"tid\":", record->thread_id);
    out = format_ns(out, ",\"ts\":", record->start_time_ns, 1);
    out = format_ns(out, ",\"dur\":", record->duration_ns, 1);
    out = format_number(out, ",\"cat\":\"tile\",\"name\":\"tile ", record->task_id);
    out = format_number(out, "\",\"args\":{\"task_id\":", record->task_id);
    out = format_number(out, ",\"tile_x\":", record->tile_x);
    out = format_number(out, ",\"tile_y\":", record->tile_y);
    out = format_number(out, ",\"tile_w\":", record->tile_w);
    out = format_number(out, ",\"tile_h\":", record->tile_h);
    return format_text(out, "}}");
}

static char *put_tiles(struct format_writer *writer, char *out, const char *end)
{
    size_t count = format_count(writer);

    for (; writer->next < count && format_fits(out, end); writer->next++) {
        struct tilery_record record = format_next_record(writer);

        out = put_tile(out, &record, format_next_attempt(writer));
    }
    if (writer->next == count)
        format_enter(writer, CLOSE);
    return out;
}

static char *put_time_limit(char *out, const struct format_writer *writer)
{
    if (!format_summary_of(writer).time_limited)
        return out;
    out = format_text(out, ",\n{\"ph\":\"i\",\"pid\":1,\"tid\":0,\"s\":\"g\",\"name\":\"time limit\"");
    return format_text(format_number(out, ",\"ts\":", writer->request->time_limit_ms * 1000), "}");
}

char *format_trace(struct format_writer *writer, char *out, const char *end)
{
    switch (writer->stage) {
    case HEAD:
        format_enter(writer, LANES);
        return format_text(out,
                           "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,\"tid\":0,"
                           "\"name\":\"process_name\",\"args\":{\"name\":\"Tilery\"}}");
    case LANES:
        return put_lanes(writer, out, end);
    case TILES:
        return put_tiles(writer, out, end);
    default:
        format_enter(writer, FORMAT_END);
        return format_text(put_time_limit(out, writer), "\n]}\n");
    }
}
