#ifndef TILERY_TESTS_TILES_H
#define TILERY_TESTS_TILES_H

#include "label.h"
#include "service/window.h"

/* A tile of 8 x 8, what it takes, and what it has when it is packed. */
#define SIDE 8
#define PIXELS (SIDE * SIDE)
#define TILE_BYTES WINDOW_TILE_BYTES(PIXELS)
#define PACKED_BYTES (sizeof(struct label) + PIXELS * sizeof(uint16_t))

/*
 * A window on one thread, which puts tiles into it and reads them. The tests' program is linked so that the
 * window's pthread_cond_wait goes to tiles.c and never waits: it fails the test, or calls on_wait to make
 * room.
 */
extern struct window *window;
extern struct run_sink sink;
extern struct window_batch batch; /* what was read last */
extern struct wire_error error;
extern unsigned ready_calls;
extern unsigned waits;        /* how often there was no room */
extern void (*on_wait)(void); /* called without the window's mutex; NULL: there must be room */

/* A checked fixture: a window for three tiles. */
void tiles_set_up(void);
void tiles_tear_down(void);

/* Puts another window in its place. */
void tiles_make(size_t bytes);

/* The parts of a run's tile, and the whole. Its place, record and counts follow from the task. */
uint16_t *tiles_begin(uint32_t task_id);
void tiles_end(uint32_t task_id, uint16_t *counts, bool computed);
void tiles_put(uint32_t task_id);
void tiles_put_three(void); /* 0, 1 and 2 */

/* Reads into batch, and fails unless it may. */
void tiles_read(uint64_t cursor, uint64_t max_bytes, uint64_t wait);

/* Fails unless these are the tiles of those tasks, whole. */
void tiles_check(const struct window_batch *of, size_t count, const uint32_t *tasks);

/* Reads whatever there is from there on, checks it, and gives it back. */
void tiles_check_read(uint64_t cursor, size_t count, const uint32_t *tasks);

/* Fails unless the cursor is refused with that message, and no tile given. */
void tiles_check_refused(uint64_t cursor, const char *message);

/* For on_wait: the first tile that was not acknowledged yet, or all that have come. */
void tiles_acknowledge_one(void);
void tiles_acknowledge_all(void);

/* 0, 1, 2, ... */
extern const uint32_t in_order[8];

#endif
