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

/* What a reply holds of a tile before its counts takes at most so much. */
#define WINDOW_HEAD_BYTES 104

/* A tile as a reply holds it: its head, and its counts. */
struct window_tile {
    const uint8_t *bytes;
    size_t len;
    uint8_t *memory; /* the window's */
};

/* What a tile of so many counts takes here, and at most in a reply. */
#define WINDOW_TILE_BYTES(counts) \
    (sizeof(struct window_tile) + sizeof(uint8_t *) + WINDOW_HEAD_BYTES + (counts) * sizeof(uint16_t))

/* The bytes of a packed tile: before its counts, and of them. */
struct window_packed {
    size_t head, counts;
};

struct window_options {
    size_t bytes;       /* bounds what the tiles take; one tile is always let in, however large */
    size_t tile_counts; /* of the largest tile; every one is taken to be as large */
    /* Called on the run's thread that has computed a tile: makes its counts what a reply holds of them, in
     * their place, and writes what precedes them there, so that it ends where they begin. */
    struct window_packed (*pack)(void *arg, const struct run_record *record, struct tile tile,
                                 uint16_t *counts);
    /* Called on the run's threads, without a lock, when something has come for a reader that found nothing
     * (window_read). */
    void (*ready)(void *arg);
    void *arg;
};

/* Ends with window_free. */
WIRE_MUST_USE enum wire_status window_create(const struct window_options *options, struct window **out);
void window_free(struct window *window);

/* Where the run puts its tiles. */
struct run_sink window_sink(struct window *window);

/* The run has ended: no tile comes any more. */
void window_end(struct window *window);

/* Nobody reads any more: threads that wait for room go on to their end. */
void window_abandon(struct window *window);

/* Tiles from a cursor on. They stay where they are, and take room, until window_release. */
struct window_batch {
    const struct window_tile *ring; /* of `capacity` tiles, of which the batch's begin at `at` */
    size_t capacity, at, count;
    uint64_t next_cursor;
    uint64_t bytes; /* the batch's */
    uint64_t come;  /* bytes that have come from the cursor on, whether they are in the batch or not */
    bool plenty;    /* they are half of the tiles that there is room for: more are not to be waited for */
    bool done;      /* nothing follows next_cursor */
};

static inline const struct window_tile *window_batch_tile(const struct window_batch *batch, size_t i)
{
    size_t at = batch->at + i;

    return &batch->ring[at < batch->capacity ? at : at - batch->capacity];
}

/*
 * Acknowledges what is before cursor and gives the tiles from there on that fill max_bytes, but at least
 * one; none when there is none yet, or when max_bytes is 0. Where it gives none, and neither `wait` bytes nor
 * plenty have come, ready will be called once: when either has, or when no more can come before the reader
 * acknowledges some; 0 does not wait. INVALID_ARGUMENT when the cursor is before what was acknowledged or
 * after what has come.
 */
WIRE_MUST_USE enum wire_status window_read(struct window *window, uint64_t cursor, uint64_t max_bytes,
                                           uint64_t wait, struct window_batch *batch,
                                           struct wire_error *error);
void window_release(struct window *window, const struct window_batch *batch);

/* The position after the last tile that has come. */
uint64_t window_position(struct window *window);

#endif
