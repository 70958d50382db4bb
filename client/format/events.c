#include "events.h"

#include "internal.h"

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

static size_t counts_bytes(const struct tilery_tile *tile)
{
    return (size_t)tile->columns * tile->rows * sizeof *tile->counts;
}

size_t events_tile_bytes(const struct tilery_tile *tile)
{
    return FORMAT_MAX_PIECE + format_base64_bytes(counts_bytes(tile));
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
    size_t len = counts_bytes(tile), used = 0;

    out = format_record(out, &record, true) - 1; /* its object goes on */
    out = format_number(out, ",\"columns\":", tile->columns);
    out = format_number(out, ",\"rows\":", tile->rows);
    out = format_text(out, ",\"data\":\"");
    out = format_base64(out, out + format_base64_bytes(len), (const uint8_t *)tile->counts, len, &used);
    return format_text(out, "\"}");
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
