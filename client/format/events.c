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

char *events_tile(char *out, const struct tilery_tile *tile)
{
    const struct tilery_record record = format_tile_record(tile);

    out = format_record(out, &record, true) - 1; /* its object goes on */
    out = format_number(out, ",\"columns\":", tile->columns);
    out = format_number(out, ",\"rows\":", tile->rows);
    out = format_number(out, ",\"attempt\":", tile->run);
    return format_text(out, ",\"data\":\"");
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
