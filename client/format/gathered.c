#include "gathered.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"

bool gathered_begin(struct gathered *gathered, const struct tilery_compute_request *request,
                    const tilery_stream *stream, bool counts)
{
    uint64_t planned = tilery_stream_tiles_planned(stream), image = request->width * request->height;
    uint64_t tiles = planned * request->tile_w * request->tile_h; /* at most 2^20 of them, of 2^32 pixels */

    *gathered = (struct gathered){.tile = malloc((planned + 1) * sizeof *gathered->tile)};
    gathered->tiles.tiles = gathered->tile;
    if (counts)
        gathered->counts = gathered->next =
            malloc((image < tiles ? image : tiles) * sizeof *gathered->counts);
    return gathered->tile != NULL && (!counts || gathered->counts != NULL);
}

void gathered_keep(struct gathered *gathered, const struct tilery_tile *tile)
{
    size_t count = (size_t)tile->columns * tile->rows;

    gathered->tile[gathered->tiles.count++] = (struct format_tile){.record = format_tile_record(tile),
                                                                   .columns = tile->columns,
                                                                   .rows = tile->rows,
                                                                   .counts = gathered->next};
    if (gathered->next == NULL)
        return;
    memcpy(gathered->next, tile->counts, count * sizeof *gathered->next);
    gathered->next += count;
}

/* Merges two sorted runs, the second from middle on, into room; of equals the first run's come first. */
static void merge(const struct format_tile *tiles, size_t middle, size_t count, struct format_tile *room)
{
    size_t left = 0, right = middle;

    for (size_t i = 0; i < count; i++) {
        bool from_left = left < middle && (right == count || tiles[left].record.start_time_ms <=
                                                                 tiles[right].record.start_time_ms);

        room[i] = tiles[from_left ? left++ : right++];
    }
}

/* By their starts, and stably, as qsort need not be: among equals finishing order stands. */
static void sort(struct format_tile *tiles, size_t count, struct format_tile *room)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = count - at;

            merge(&tiles[at], width < left ? width : left, 2 * width < left ? 2 * width : left, &room[at]);
        }
        memcpy(tiles, room, count * sizeof *room);
    }
}

bool gathered_finish(struct gathered *gathered, const tilery_stream *stream)
{
    struct format_tiles *tiles = &gathered->tiles;
    struct format_tile *room = malloc((tiles->count + 1) * sizeof *room);

    tiles->summary = tilery_stream_summary(stream);
    tiles->threads = gathered->thread = malloc((tiles->summary.threads + 1) * sizeof *gathered->thread);
    if (room != NULL)
        sort(gathered->tile, tiles->count, room);
    free(room);
    if (room == NULL || gathered->thread == NULL)
        return false;
    for (size_t i = 0; i < tiles->summary.threads; i++)
        gathered->thread[i] = tilery_stream_thread(stream, i);
    return true;
}

void gathered_free(struct gathered *gathered)
{
    free(gathered->thread);
    free(gathered->counts);
    free(gathered->tile);
}
