/* The formats of a record a line: NDJSON, CSV and the table for people. */
#include <inttypes.h>
#include <stdio.h>

#include "internal.h"

enum { HEAD, RECORDS, SUMMARY, THREADS, CLOSE };

typedef char *put_record_fn(const struct format_writer *writer, char *out);

static char *put_rows(struct format_writer *writer, char *out, const char *end, put_record_fn *put)
{
    size_t count = format_count(writer);

    for (; writer->next < count && format_fits(out, end); writer->next++)
        out = format_text(put(writer, out), "\n");
    if (writer->next == count)
        format_enter(writer, SUMMARY);
    return out;
}

/* ---- NDJSON ---- */

static char *put_ndjson(const struct format_writer *writer, char *out)
{
    return format_next_json(writer, out, true);
}

/* The same of tiles with their counts, each of which may take many pieces. */
static char *put_tiles(struct format_writer *writer, char *out, const char *end,
                       char *(*put)(struct format_writer *writer, char *out, const char *end))
{
    size_t count = format_count(writer);

    while (writer->next < count && format_fits(out, end)) {
        out = put(writer, out, end - 1);
        if (writer->used == 0)
            *out++ = '\n';
    }
    if (writer->next == count)
        format_enter(writer, SUMMARY);
    return out;
}

static bool has_counts(const struct format_writer *writer)
{
    return format_count(writer) != 0 && writer->tiles != NULL && writer->tiles->tiles[0].counts != NULL;
}

static char *put_ndjson_tile(struct format_writer *writer, char *out, const char *end)
{
    return format_tile_json(writer, out, end, true);
}

static char *put_ndjson_threads(struct format_writer *writer, char *out, const char *end)
{
    size_t count = format_summary_of(writer).threads;

    for (; writer->next < count && format_fits(out, end); writer->next++) {
        struct tilery_thread thread = format_next_thread(writer);

        if (writer->next != 0)
            *out++ = ',';
        out = format_thread(out, &thread);
    }
    if (writer->next < count)
        return out;
    format_enter(writer, FORMAT_END);
    return format_text(out, "]}}\n");
}

static char *put_ndjson_summary(char *out, const struct format_writer *writer)
{
    struct tilery_summary summary = format_summary_of(writer);

    return format_summary(format_text(out, "{\"summary\":"), &summary);
}

char *format_ndjson(struct format_writer *writer, char *out, const char *end)
{
    switch (writer->stage) {
    case HEAD:
        format_enter(writer, RECORDS);
        return out;
    case RECORDS:
        return has_counts(writer) ? put_tiles(writer, out, end, put_ndjson_tile)
                                  : put_rows(writer, out, end, put_ndjson);
    case SUMMARY:
        format_enter(writer, writer->options.summary ? THREADS : FORMAT_END);
        return writer->options.summary ? put_ndjson_summary(out, writer) : out;
    default:
        return put_ndjson_threads(writer, out, end);
    }
}

/* ---- CSV ---- */

static char *put_csv(char *out, const struct tilery_record *record)
{
    out = format_number(out, "", record->task_id);
    out = format_number(out, ",", record->thread_id);
    out = format_number(out, ",", record->tile_x);
    out = format_number(out, ",", record->tile_y);
    out = format_number(out, ",", record->tile_w);
    out = format_number(out, ",", record->tile_h);
    out = format_number(out, ",", record->start_time_ms);
    out = format_number(out, ",", record->duration_ms);
    out = format_number(out, ",", record->pixels_computed);
    out = format_number(out, ",", record->start_time_ns);
    return format_number(out, ",", record->duration_ns);
}

static char *put_csv_row(const struct format_writer *writer, char *out)
{
    struct tilery_record record = format_next_record(writer);
    const uint32_t *attempt = format_next_attempt(writer);

    out = put_csv(out, &record);
    return attempt != NULL ? format_number(out, ",", *attempt) : out;
}

static char *put_csv_tile(struct format_writer *writer, char *out, const char *end)
{
    const struct format_tile *tile = format_next_tile(writer);
    size_t len = (size_t)tile->columns * tile->rows * sizeof *tile->counts;

    if (writer->used == 0) {
        out = put_csv(out, &tile->record);
        out = format_number(out, ",", tile->columns);
        out = format_number(out, ",", tile->rows);
        out = format_number(out, ",", tile->attempt);
        out = format_text(out, ",");
    }
    out = format_base64(out, end, (const uint8_t *)tile->counts, len, &writer->used);
    if (writer->used < len)
        return out;
    writer->used = 0;
    writer->next++;
    return out;
}

char *format_csv(struct format_writer *writer, char *out, const char *end)
{
    switch (writer->stage) {
    case HEAD:
        format_enter(writer, RECORDS);
        out = format_text(out, "task_id,thread_id,tile_x,tile_y,tile_w,tile_h,start_time_ms,duration_ms,"
                               "pixels_computed,start_time_ns,duration_ns");
        if (has_counts(writer))
            return format_text(out, ",columns,rows,attempt,data\n");
        return format_text(out, format_next_attempt(writer) != NULL ? ",attempt\n" : "\n");
    case RECORDS:
        return has_counts(writer) ? put_tiles(writer, out, end, put_csv_tile)
                                  : put_rows(writer, out, end, put_csv_row);
    default:
        format_enter(writer, FORMAT_END);
        return out;
    }
}

/* ---- The table ---- */

static char *put_table(const struct format_writer *writer, char *out)
{
    struct tilery_record record = format_next_record(writer);

    return out + sprintf(out,
                         "%8" PRIu32 " %7" PRIu32 " %7" PRIu32 " %7" PRIu32 " %6" PRIu32 " x %-6" PRIu32
                         " %12.3f %12.3f",
                         record.task_id, record.thread_id, record.tile_x, record.tile_y, record.tile_w,
                         record.tile_h, (double)record.start_time_ns / 1e6, (double)record.duration_ns / 1e6);
}

static char *put_table_summary(char *out, const struct format_writer *writer)
{
    struct tilery_summary summary = format_summary_of(writer);

    out += sprintf(out, "\n%" PRIu64 " of %" PRIu64 " tiles%s, %" PRIu64 " pixels, %" PRIu64 " iterations\n",
                   summary.tiles_done, summary.tiles_planned,
                   summary.time_limited ? ", then the time limit was over" : "", summary.pixels,
                   summary.iterations);
    out += sprintf(out, "%.3f ms on %zu thread%s, imbalance %.3f", (double)summary.wall_ns / 1e6,
                   summary.threads, summary.threads == 1 ? "" : "s", summary.imbalance);
    out = format_word(out, ", kernel ", summary.kernel);
    out = format_word(out, ", schedule ", tilery_schedule_name(summary.schedule));
    return out + sprintf(out, "\n\n%8s %7s %12s %6s\n", "thread", "tiles", "busy ms", "busy");
}

static char *put_table_threads(struct format_writer *writer, char *out, const char *end)
{
    struct tilery_summary summary = format_summary_of(writer);

    for (; writer->next < summary.threads && format_fits(out, end); writer->next++) {
        struct tilery_thread thread = format_next_thread(writer);

        out += sprintf(out, "%8" PRIu32 " %7" PRIu64 " %12.3f %5.1f%%\n", thread.thread_id, thread.tiles,
                       (double)thread.busy_ns / 1e6,
                       summary.wall_ns != 0 ? 100 * (double)thread.busy_ns / (double)summary.wall_ns : 0.0);
    }
    if (writer->next == summary.threads)
        format_enter(writer, FORMAT_END);
    return out;
}

char *format_table(struct format_writer *writer, char *out, const char *end)
{
    switch (writer->stage) {
    case HEAD:
        format_enter(writer, RECORDS);
        return out + sprintf(out, "%8s %7s %7s %7s %6s   %-6s %12s %12s\n", "task", "thread", "x", "y", "w",
                             "h", "start ms", "duration ms");
    case RECORDS:
        return put_rows(writer, out, end, put_table);
    case SUMMARY:
        format_enter(writer, THREADS);
        return put_table_summary(out, writer);
    default:
        return put_table_threads(writer, out, end);
    }
}
