#ifndef TILERY_FORMAT_GATHERED_H
#define TILERY_FORMAT_GATHERED_H

#include "format.h"

/*
 * A stream's tiles, gathered to be written. They come in finishing order; their records are to be sorted by
 * their starts, and so all are held here until the last one has come. All zero holds nothing.
 */
struct gathered {
    struct format_tiles tiles;
    struct format_tile *tile; /* room for all */
    struct tilery_thread *thread;
    uint16_t *counts, *next; /* room for all, and where the next tile's go; NULL: they are not kept */
};

/* For the tiles of a stream that is open. False: no memory. Ends with gathered_free, also then. */
bool gathered_begin(struct gathered *gathered, const struct tilery_compute_request *request,
                    const tilery_stream *stream, bool counts);

void gathered_keep(struct gathered *gathered, const struct tilery_tile *tile);

/* All have come: sorts them. False: no memory. */
bool gathered_finish(struct gathered *gathered, const tilery_stream *stream);

/* By their attempts, and by their starts in milliseconds, stably; at most 2^20 of them. False: no memory. */
bool gathered_sort(struct format_tile *tiles, size_t count);

/* How much memory so many tiles take at most, without their counts. */
uint64_t gathered_bytes(uint64_t tiles);

void gathered_free(struct gathered *gathered);

#endif
