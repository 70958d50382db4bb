#ifndef TILERY_ENGINE_GRID_H
#define TILERY_ENGINE_GRID_H

#include <stdint.h>

/* An image cut into tiles. Tasks are numbered row by row from the top left, one a tile. Plain geometry, no
 * memory. */
struct grid {
    uint32_t width, height;  /* pixels, 1 to 65,536 */
    uint32_t tile_w, tile_h; /* pixels, nominal, 1 to 65,536 */
    uint32_t across;         /* tiles in a row of tiles */
    uint64_t tiles;          /* in the whole image */
};

/* A tile as it lies in the image: clipped at the right and the bottom edge. */
struct tile {
    uint32_t x, y;          /* of its top left pixel */
    uint32_t columns, rows; /* pixels, at least 1 */
};

struct grid grid_make(uint32_t width, uint32_t height, uint32_t tile_w, uint32_t tile_h);

/* task_id is below grid->tiles. */
struct tile grid_tile(const struct grid *grid, uint32_t task_id);

#endif
