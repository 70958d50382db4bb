#include "plan.h"

#include <inttypes.h>

#include "wire/limits.h"

static bool within_limits(const struct plan *plan)
{
    struct wire_error error;

    return wire_field_check(WIRE_WIDTH, plan->width, &error) == WIRE_OK &&
           wire_field_check(WIRE_HEIGHT, plan->height, &error) == WIRE_OK &&
           wire_field_check(WIRE_TILE_W, plan->tile_w, &error) == WIRE_OK &&
           wire_field_check(WIRE_TILE_H, plan->tile_h, &error) == WIRE_OK;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint64_t across(const struct plan *plan)
{
    return divide_up(plan->width, plan->tile_w);
}

struct plan plan_of(const struct tilery_compute_request *request)
{
    struct plan plan = {.width = request->width,
                        .height = request->height,
                        .tile_w = request->tile_w,
                        .tile_h = request->tile_h,
                        .first = request->first_task};
    uint64_t tiles;

    if (!within_limits(&plan))
        return plan;
    tiles = across(&plan) * divide_up(plan.height, plan.tile_h);
    if (tiles > WIRE_MAX_TILES || plan.first >= tiles || request->task_count > tiles - plan.first)
        return plan;
    plan.count = request->task_count != 0 ? request->task_count : tiles - plan.first;
    return plan;
}

bool plan_has(const struct plan *plan, uint32_t task_id)
{
    return task_id >= plan->first && task_id - plan->first < plan->count;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

enum wire_status plan_check(const struct plan *plan, const Tilery__V1__TileUpdate *tile,
                            struct wire_error *error)
{
    uint64_t x, y;

    if (!plan_has(plan, tile->task_id))
        return wire_error_set(error, WIRE_INTERNAL,
                              "task %" PRIu32 " came; %" PRIu64 " from %" PRIu64 " on were asked for",
                              tile->task_id, plan->count, plan->first);
    x = tile->task_id % across(plan) * plan->tile_w;
    y = tile->task_id / across(plan) * plan->tile_h;
    if (tile->tile_x != x || tile->tile_y != y || tile->columns != least(plan->tile_w, plan->width - x) ||
        tile->rows != least(plan->tile_h, plan->height - y))
        return wire_error_set(error, WIRE_INTERNAL,
                              "task %" PRIu32 " came as %" PRIu32 " x %" PRIu32 " pixels at %" PRIu32
                              ",%" PRIu32 ", where it does not lie",
                              tile->task_id, tile->columns, tile->rows, tile->tile_x, tile->tile_y);
    return WIRE_OK;
}
