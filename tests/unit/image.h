#ifndef TILERY_TESTS_IMAGE_H
#define TILERY_TESTS_IMAGE_H

#include <stdint.h>

#include "engine/run.h"

/* The part of the plane that the reference shows. */
struct plane image_plane(uint32_t width, uint32_t height, uint32_t max_iter);

/* A static run of all tasks, without a time limit that matters. */
struct run_spec image_spec(struct plane plane, uint32_t tile_w, uint32_t tile_h, uint32_t num_threads);

/* The same of 12 tiles, four across, the right and the bottom ones clipped. */
struct run_spec image_small(uint32_t num_threads);

/* The whole image in one call of the kernel. Ends with free. */
uint16_t *image_compute(const struct kernel *kernel, const struct plane *plane);

/* FNV-1a 64 over the counts as little-endian uint16. */
uint64_t image_hash(const uint16_t *counts, size_t pixels);
uint64_t image_sum(const uint16_t *counts, size_t pixels);

/* A sink that puts the tiles together to an image of that width. The counts and the sink are the caller's. */
struct image {
    uint16_t *counts;
    uint32_t width;
};
struct run_sink image_sink(struct image *image);

/* Starts the run in a pool of its own, waits for its end, and frees the pool. Ends with run_free. */
struct run *image_run(const struct run_spec *spec, const struct run_sink *sink);

#endif
