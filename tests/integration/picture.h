#ifndef TILERY_TESTS_PICTURE_H
#define TILERY_TESTS_PICTURE_H

#include <stdint.h>

#include "engine/grid.h"
#include "tilery/client.h"

/* What comes of a request in tiles. Each is held against the kernel's own counts of the whole image. */
struct picture {
    struct grid grid;
    uint32_t threads;
    uint16_t *expected; /* of all pixels */
    uint8_t *seen;      /* a task: how often it came */
    uint32_t tiles;
};

/* Ends with picture_free. */
struct picture picture_of(const struct tilery_compute_request *request);
void picture_free(struct picture *picture);

/* Fails unless the tile is new, lies where its task does, and has the kernel's counts. */
void picture_add(struct picture *picture, const struct tilery_tile *tile);

/* Fails unless exactly these tasks have come. */
void picture_check(const struct picture *picture, uint32_t first_task, uint32_t task_count);

/* Adds a stream's tiles up to its end, or up to an error, which goes to served.error. */
enum tilery_status picture_read(struct picture *picture, tilery_stream *stream);

/* Opens a stream of the request, reads it, and fails unless the whole image has come. The stream is the
 * caller's. */
tilery_stream *picture_stream(const struct tilery_compute_request *request);

/* The same, closing it. */
void picture_check_stream(const struct tilery_compute_request *request);

#endif
