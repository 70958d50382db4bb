#include "engine/grid.h"

static uint32_t ceil_div(uint32_t a, uint32_t b)
{
    return a / b + (a % b != 0);
}

struct grid grid_make(uint32_t width, uint32_t height, uint32_t tile_w, uint32_t tile_h)
{
    uint32_t across = ceil_div(width, tile_w);

    return (struct grid){.width = width,
                         .height = height,
                         .tile_w = tile_w,
                         .tile_h = tile_h,
                         .across = across,
                         .tiles = (uint64_t)across * ceil_div(height, tile_h)};
}

static uint32_t clip(uint32_t start, uint32_t length, uint32_t end)
{
    return length < end - start ? length : end - start;
}

struct tile grid_tile(const struct grid *grid, uint32_t task_id)
{
    uint32_t x = task_id % grid->across * grid->tile_w;
    uint32_t y = task_id / grid->across * grid->tile_h;

    return (struct tile){.x = x,
                         .y = y,
                         .columns = clip(x, grid->tile_w, grid->width),
                         .rows = clip(y, grid->tile_h, grid->height)};
}
