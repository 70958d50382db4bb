#ifndef TILERY_FORMAT_EVENTS_H
#define TILERY_FORMAT_EVENTS_H

#include <stddef.h>

#include "format.h"

/*
 * What a stream's events hold, as compact JSON objects. Each writes into a buffer with room for so many bytes
 * as stand beside it, not terminated, and returns its end.
 */

/* {"run":id,"tiles_planned":...,"params":{...}}: the request as it was understood. id is of letters and
 * digits, at most 64. */
#define EVENTS_RUN_BYTES 1024u
char *events_run(char *out, const char *id, const tilery_stream *stream,
                 const struct tilery_compute_request *request, const struct format_options *options);

/* The tile's record, with ns, then columns, rows, attempt, which is the tile's run, and the beginning of
 * data: the counts follow, as format_init_tiles has them, and then the end. */
#define EVENTS_TILE_BYTES 1024u
#define EVENTS_TILE_END "\"}"
char *events_tile(char *out, const struct tilery_tile *tile);

/* The summary as it follows records elsewhere, after the stream's last tile. */
size_t events_summary_bytes(const tilery_stream *stream);
char *events_summary(char *out, const tilery_stream *stream);

#endif
