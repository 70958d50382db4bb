#ifndef TILERY_SERVICE_WINDOW_H
#define TILERY_SERVICE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/run.h"
#include "wire/status.h"

/*
 * The finished tiles of a streamed run that its reader has not acknowledged yet, in finishing order, bounded
 * in bytes: a full window makes the run's threads wait. A tile's place in the order is its position, from 0
 * on; a reader's cursor is the position that it wants next, and acknowledges all before it.
 *
 * Any thread may call any function but window_create and window_free; one mutex inside guards all.
 */
struct window;

/*
 * Ends with window_free. bytes bounds what the tiles take; one tile is always let in, however large. ready is
 * called on the run's threads, without a lock, when something has come for a reader that found nothing
 * (window_read).
 */
WIRE_MUST_USE enum wire_status window_create(size_t bytes, void (*ready)(void *arg), void *arg,
                                             struct window **out);
void window_free(struct window *window);

/* Where the run puts its tiles. */
struct run_sink window_sink(struct window *window);

/* The run has ended: no tile comes any more. */
void window_end(struct window *window);

/* Nobody reads any more: threads that wait for room go on to their end. */
void window_abandon(struct window *window);

struct window_tile {
    struct window_tile *next; /* guarded by the window's mutex in the last tile that has come */
    struct run_record record;
    struct tile tile;
    unsigned refs;
    _Alignas(16) uint16_t counts[]; /* columns * rows */
};

/* A run of tiles from a cursor on. They stay where they are until window_release. */
struct window_batch {
    struct window_tile *first, *last;
    size_t count;
    uint64_t next_cursor;
    uint64_t come; /* bytes that have come from the cursor on, whether they are in the batch or not */
    bool done;     /* nothing follows next_cursor */
};

/* The batch's tile after that one, or the first after NULL; NULL after the last. */
static inline const struct window_tile *window_batch_next(const struct window_batch *batch,
                                                          const struct window_tile *tile)
{
    if (batch->count == 0 || tile == batch->last)
        return NULL;
    return tile != NULL ? tile->next : batch->first;
}

/*
 * Acknowledges what is before cursor and gives the tiles from there on that fill max_bytes, but at least
 * one; none when there is none yet, or when max_bytes is 0. Where it gives none, and not `wait` bytes have
 * come, ready will be called once: when they have, or when no more can come before the reader acknowledges
 * some; 0 does not wait. INVALID_ARGUMENT when the cursor is before what was acknowledged or after what has
 * come.
 */
WIRE_MUST_USE enum wire_status window_read(struct window *window, uint64_t cursor, uint64_t max_bytes,
                                           uint64_t wait, struct window_batch *batch,
                                           struct wire_error *error);
void window_release(struct window *window, const struct window_batch *batch);

/* The position after the last tile that has come. */
uint64_t window_position(struct window *window);

#endif
