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
                                                                   .attempt = tile->run,
                                                                   .counts = gathered->next};
    if (gathered->next == NULL)
        return;
    memcpy(gathered->next, tile->counts, count * sizeof *gathered->next);
    gathered->next += count;
}

/* Where a tile starts, and where it is: much less to move about than the tile. */
struct gathered_key {
    uint64_t start_ms;
    uint32_t attempt, index;
};

static bool in_order(const struct gathered_key *a, const struct gathered_key *b)
{
    return a->attempt != b->attempt ? a->attempt < b->attempt : a->start_ms <= b->start_ms;
}

/* Merges two sorted runs, the second from middle on, into room; of equals the first run's come first. */
static void merge(const struct gathered_key *keys, size_t middle, size_t count, struct gathered_key *room)
{
    size_t left = 0, right = middle;

    for (size_t i = 0; i < count; i++) {
        bool from_left = left < middle && (right == count || in_order(&keys[left], &keys[right]));

        room[i] = keys[from_left ? left++ : right++];
    }
}

/* Stably, as qsort need not be; finishing order is nearly the order of the starts, so that most runs are
 * sorted already where they meet. */
static void sort(struct gathered_key *keys, size_t count, struct gathered_key *room)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at + width < count; at += 2 * width) {
            size_t left = count - at, both = 2 * width < left ? 2 * width : left;

            if (in_order(&keys[at + width - 1], &keys[at + width]))
                continue;
            merge(&keys[at], width, both, room);
            memcpy(&keys[at], room, both * sizeof *room);
        }
    }
}

/* Puts each tile where its key is, along the circles in which they change places. */
static void arrange(struct format_tile *tiles, struct gathered_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct format_tile first = tiles[i];
        size_t to = i;

        for (size_t from; (from = keys[to].index) != i; to = from) {
            tiles[to] = tiles[from];
            keys[to].index = (uint32_t)to;
        }
        tiles[to] = first;
        keys[to].index = (uint32_t)to;
    }
}

bool gathered_sort(struct format_tile *tiles, size_t count)
{
    struct gathered_key *keys = malloc((2 * count + 1) * sizeof *keys);

    if (keys == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct gathered_key){tiles[i].record.start_time_ms, tiles[i].attempt, (uint32_t)i};
    sort(keys, count, &keys[count]);
    arrange(tiles, keys, count);
    free(keys);
    return true;
}

bool gathered_finish(struct gathered *gathered, const tilery_stream *stream)
{
    struct format_tiles *tiles = &gathered->tiles;

    tiles->summary = tilery_stream_summary(stream);
    tiles->threads = gathered->thread = malloc((tiles->summary.threads + 1) * sizeof *gathered->thread);
    if (gathered->thread == NULL || !gathered_sort(gathered->tile, tiles->count))
        return false;
    for (size_t i = 0; i < tiles->summary.threads; i++)
        gathered->thread[i] = tilery_stream_thread(stream, i);
    return true;
}

uint64_t gathered_bytes(uint64_t tiles)
{
    return tiles * (sizeof(struct format_tile) + 2 * sizeof(struct gathered_key));
}

void gathered_free(struct gathered *gathered)
{
    free(gathered->thread);
    free(gathered->counts);
    free(gathered->tile);
}
