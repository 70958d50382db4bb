/* The documented JSON, and its parts, of which NDJSON is made as well. */
#include "internal.h"

/* What ends a tile's data and its record. */
#define DATA_END_BYTES 2

enum { HEAD, RECORDS, PARAMS, SUMMARY, THREADS, CLOSE };

char *format_record(char *out, const struct tilery_record *record, bool ns)
{
    out = format_number(out, "{\"task_id\":", record->task_id);
    out = format_number(out, ",\"thread_id\":", record->thread_id);
    out = format_number(out, ",\"tile_x\":", record->tile_x);
    out = format_number(out, ",\"tile_y\":", record->tile_y);
    out = format_number(out, ",\"tile_w\":", record->tile_w);
    out = format_number(out, ",\"tile_h\":", record->tile_h);
    out = format_number(out, ",\"start_time_ms\":", record->start_time_ms);
    out = format_number(out, ",\"duration_ms\":", record->duration_ms);
    out = format_number(out, ",\"pixels_computed\":", record->pixels_computed);
    if (ns) {
        out = format_number(out, ",\"start_time_ns\":", record->start_time_ns);
        out = format_number(out, ",\"duration_ns\":", record->duration_ns);
    }
    return format_text(out, "}");
}

char *format_summary(char *out, const struct tilery_summary *summary)
{
    out = format_number(out, "{\"wall_ns\":", summary->wall_ns);
    out = format_number(out, ",\"queue_ns\":", summary->queue_ns);
    out = format_number(out, ",\"tiles_planned\":", summary->tiles_planned);
    out = format_number(out, ",\"tiles_done\":", summary->tiles_done);
    out = format_text(out, summary->time_limited ? ",\"time_limited\":true" : ",\"time_limited\":false");
    out = format_number(out, ",\"pixels\":", summary->pixels);
    out = format_number(out, ",\"iterations\":", summary->iterations);
    out = format_double(out, ",\"imbalance\":", summary->imbalance);
    out = format_name(out, ",\"kernel\":", summary->kernel);
    out = format_name(out, ",\"schedule\":", tilery_schedule_name(summary->schedule));
    return format_text(out, ",\"threads\":[");
}

char *format_thread(char *out, const struct tilery_thread *thread)
{
    out = format_number(out, "{\"thread_id\":", thread->thread_id);
    out = format_number(out, ",\"busy_ns\":", thread->busy_ns);
    out = format_number(out, ",\"tiles\":", thread->tiles);
    return format_text(out, "}");
}

struct tilery_record format_tile_record(const struct tilery_tile *tile)
{
    return (struct tilery_record){.task_id = tile->task_id,
                                  .thread_id = tile->thread_id,
                                  .tile_x = tile->tile_x,
                                  .tile_y = tile->tile_y,
                                  .tile_w = tile->tile_w,
                                  .tile_h = tile->tile_h,
                                  .start_time_ms = tile->start_time_ms,
                                  .duration_ms = tile->duration_ms,
                                  .pixels_computed = (uint64_t)tile->tile_w * tile->tile_h,
                                  .start_time_ns = tile->start_time_ns,
                                  .duration_ns = tile->duration_ns};
}

/* What was asked for beyond the document. */
static char *put_choices(char *out, const struct tilery_compute_request *request,
                         const struct format_options *options)
{
    const struct tilery_region *region = &request->region;

    if (options->schedule)
        out = format_name(out, ",\"schedule\":", tilery_schedule_name(request->schedule));
    if (options->kernel)
        out = format_name(out, ",\"kernel\":", request->kernel);
    if (options->region) {
        out = format_double(out, ",\"region\":[", region->re_min);
        out = format_double(out, ",", region->im_min);
        out = format_double(out, ",", region->re_span);
        out = format_double(out, ",", region->im_span);
        out = format_text(out, "]");
    }
    return out;
}

char *format_params(char *out, const struct tilery_compute_request *request,
                    const struct format_options *options)
{
    bool concurrent = request->mode != TILERY_MODE_SEQUENTIAL;

    out = format_number(out, "{\"width\":", request->width);
    out = format_number(out, ",\"height\":", request->height);
    out = format_number(out, ",\"tile_w\":", request->tile_w);
    out = format_number(out, ",\"tile_h\":", request->tile_h);
    out = format_number(out, ",\"max_iter\":", request->max_iter);
    out = format_number(out, ",\"time_limit_ms\":", request->time_limit_ms);
    if (concurrent)
        out = format_number(out, ",\"num_threads\":", request->num_threads);
    out = put_choices(out, request, options);
    return format_text(out, concurrent ? ",\"mode\":\"concurrent\"}" : ",\"mode\":\"sequential\"}");
}

static char *put_params(char *out, const struct format_writer *writer)
{
    bool concurrent = writer->request->mode != TILERY_MODE_SEQUENTIAL;

    out = format_params(format_text(out, "],\"params\":"), writer->request, &writer->options);
    return format_text(out, concurrent ? ",\"message\":\"Concurrent tasks executed successfully\""
                                       : ",\"message\":\"Sequential tasks executed successfully\"");
}

char *format_tile_json(struct format_writer *writer, char *out, const char *end, bool ns)
{
    const struct format_tile *tile = format_next_tile(writer);
    size_t len = (size_t)tile->columns * tile->rows * sizeof *tile->counts;

    if (writer->used == 0) {
        out = format_record(out, &tile->record, ns) - 1; /* its object goes on */
        out = format_number(out, ",\"columns\":", tile->columns);
        out = format_number(out, ",\"rows\":", tile->rows);
        out = format_number(out, ",\"attempt\":", tile->attempt);
        out = format_text(out, ",\"data\":\"");
    }
    out = format_base64(out, end - DATA_END_BYTES, (const uint8_t *)tile->counts, len, &writer->used);
    if (writer->used < len)
        return out;
    writer->used = 0;
    writer->next++;
    return format_text(out, "\"}");
}

char *format_next_json(const struct format_writer *writer, char *out, bool ns)
{
    struct tilery_record record = format_next_record(writer);
    const uint32_t *attempt = format_next_attempt(writer);

    out = format_record(out, &record, ns);
    return attempt != NULL ? format_text(format_number(out - 1, ",\"attempt\":", *attempt), "}") : out;
}

static char *put_record(struct format_writer *writer, char *out, const char *end)
{
    if (writer->next != 0 && writer->used == 0)
        *out++ = ',';
    if (format_next_tile(writer) != NULL)
        return format_tile_json(writer, out, end, writer->options.ns);
    out = format_next_json(writer, out, writer->options.ns);
    writer->next++;
    return out;
}

static char *put_records(struct format_writer *writer, char *out, const char *end)
{
    size_t count = format_count(writer);

    while (writer->next < count && format_fits(out, end))
        out = put_record(writer, out, end);
    if (writer->next == count)
        format_enter(writer, PARAMS);
    return out;
}

static char *put_threads(struct format_writer *writer, char *out, const char *end)
{
    size_t count = format_summary_of(writer).threads;

    for (; writer->next < count && format_fits(out, end); writer->next++) {
        struct tilery_thread thread = format_next_thread(writer);

        if (writer->next != 0)
            *out++ = ',';
        out = format_thread(out, &thread);
    }
    if (writer->next == count)
        format_enter(writer, CLOSE);
    return out;
}

static char *put_summary(const struct format_writer *writer, char *out)
{
    struct tilery_summary summary = format_summary_of(writer);

    return format_summary(format_text(out, ",\"summary\":"), &summary);
}

char *format_json(struct format_writer *writer, char *out, const char *end)
{
    switch (writer->stage) {
    case HEAD:
        format_enter(writer, RECORDS);
        return format_text(out, "{\"success\":true,\"data\":[");
    case RECORDS:
        return put_records(writer, out, end);
    case PARAMS:
        format_enter(writer, writer->options.summary ? SUMMARY : CLOSE);
        return put_params(out, writer);
    case SUMMARY:
        format_enter(writer, THREADS);
        return put_summary(writer, out);
    case THREADS:
        return put_threads(writer, out, end);
    default:
        format_enter(writer, FORMAT_END);
        return format_text(out, writer->options.summary ? "]}}" : "}");
    }
}
