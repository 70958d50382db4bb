#include "events.h"

#include "internal.h"

/* A count, of up to 65,535, and a comma. */
#define COUNT_BYTES 6u
#define THREAD_BYTES 96u

char *events_run(char *out, const char *id, const tilery_stream *stream,
                 const struct tilery_compute_request *request, const struct format_options *options)
{
    out = format_text(out, "{\"run\":\"");
    out = format_text(out, id);
    out = format_number(out, "\",\"tiles_planned\":", tilery_stream_tiles_planned(stream));
    out = format_params(format_text(out, ",\"params\":"), request, options);
    return format_text(out, "}");
}

size_t events_tile_bytes(const struct tilery_tile *tile)
{
    return FORMAT_MAX_PIECE + (size_t)tile->columns * tile->rows * COUNT_BYTES;
}

static char *put_count(char *out, uint16_t count)
{
    uint16_t power = 1;

    while (count / power >= 10)
        power = (uint16_t)(power * 10u);
    for (; power != 0; power /= 10)
        *out++ = (char)('0' + count / power % 10);
    return out;
}

char *events_tile(char *out, const struct tilery_tile *tile)
{
    const struct tilery_record record = {.task_id = tile->task_id,
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
    size_t counts = (size_t)tile->columns * tile->rows;

    out = format_record(out, &record, true) - 1; /* its object goes on */
    out = format_number(out, ",\"columns\":", tile->columns);
    out = format_number(out, ",\"rows\":", tile->rows);
    out = format_text(out, ",\"data\":[");
    for (size_t i = 0; i < counts; i++) {
        if (i != 0)
            *out++ = ',';
        out = put_count(out, tile->counts[i]);
    }
    return format_text(out, "]}");
}

size_t events_summary_bytes(const tilery_stream *stream)
{
    return FORMAT_MAX_PIECE + tilery_stream_summary(stream).threads * THREAD_BYTES;
}

char *events_summary(char *out, const tilery_stream *stream)
{
    struct tilery_summary summary = tilery_stream_summary(stream);

    out = format_summary(out, &summary);
    for (size_t i = 0; i < summary.threads; i++) {
        struct tilery_thread thread = tilery_stream_thread(stream, i);

        if (i != 0)
            *out++ = ',';
        out = format_thread(out, &thread);
    }
    return format_text(out, "]}");
}
