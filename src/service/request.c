/* From the schema's ComputeRequest to the engine's run_spec: every field is checked here, and nowhere else.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "service/internal.h"
#include "wire/check.h"
#include "wire/limits.h"

typedef Tilery__V1__ComputeRequest Request;

static enum wire_status check_fields(const Request *r, struct wire_error *error)
{
    const struct {
        enum wire_field field;
        uint64_t value;
    } checks[] = {
        {WIRE_WIDTH, r->width},
        {WIRE_HEIGHT, r->height},
        {WIRE_TILE_W, r->tile_w},
        {WIRE_TILE_H, r->tile_h},
        {WIRE_MAX_ITER, r->max_iter},
        {WIRE_TIME_LIMIT_MS, r->time_limit_ms},
        {WIRE_NUM_THREADS, r->mode == TILERY__V1__MODE__MODE_SEQUENTIAL ? 1 : r->num_threads},
        {WIRE_FIRST_TASK, r->first_task},
        {WIRE_TASK_COUNT, r->has_task_count ? r->task_count : 1},
    };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (wire_field_check(checks[i].field, checks[i].value, error) != WIRE_OK)
            return error->status;
    return WIRE_OK;
}

static enum wire_status read_mode(const Request *r, struct run_spec *spec, struct wire_error *error)
{
    if (wire_check_enum(&tilery__v1__mode__descriptor, "mode", r->mode, error) != WIRE_OK ||
        wire_check_enum(&tilery__v1__schedule__descriptor, "schedule", r->schedule, error) != WIRE_OK)
        return error->status;
    spec->sequential = r->mode == TILERY__V1__MODE__MODE_SEQUENTIAL;
    spec->schedule = (enum schedule_kind)((int)r->schedule - 1);
    return WIRE_OK;
}

static enum wire_status read_kernel(const Request *r, struct run_spec *spec, struct wire_error *error)
{
    const struct kernel *kernel;
    char shown[32], list[128] = "auto";

    spec->kernel = kernel_find(r->kernel);
    if (spec->kernel != NULL)
        return WIRE_OK;
    for (size_t i = 0; (kernel = kernel_at(i)) != NULL; i++) {
        size_t used = strlen(list);

        (void)snprintf(list + used, sizeof list - used, ", %s", kernel->name);
    }
    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "kernel is \"%s\"; it must be one of %s",
                          wire_quote(shown, sizeof shown, r->kernel), list);
}

static enum wire_status read_region(const Tilery__V1__Region *region, struct plane *plane,
                                    struct wire_error *error)
{
    const Tilery__V1__Region whole = TILERY__V1__REGION__INIT;

    if (region == NULL)
        region = &whole;
    plane->re_min = region->re_min;
    plane->im_min = region->im_min;
    plane->re_span = region->re_span;
    plane->im_span = region->im_span;
    if (!isfinite(plane->re_min) || !isfinite(plane->im_min))
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "region is %g,%g,...; re_min and im_min must be finite", plane->re_min,
                              plane->im_min);
    if (!isfinite(plane->re_span) || !isfinite(plane->im_span) || plane->re_span <= 0 || plane->im_span <= 0)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "region is ...,%g,%g; re_span and im_span must be finite and above 0",
                              plane->re_span, plane->im_span);
    return WIRE_OK;
}

static enum wire_status read_tasks(const Request *r, struct run_spec *spec, struct wire_error *error)
{
    uint64_t tiles = spec->grid.tiles;

    if (tiles > WIRE_MAX_TILES)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "width, height, tile_w and tile_h make %" PRIu64 " tiles; at most %" PRIu64
                              " are allowed",
                              tiles, WIRE_MAX_TILES);
    if (r->first_task >= tiles)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "first_task is %" PRIu64 "; it must be from 0 to %" PRIu64, r->first_task,
                              tiles - 1);
    if (r->has_task_count && r->task_count > tiles - r->first_task)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "task_count is %" PRIu64 "; it must be from 1 to %" PRIu64, r->task_count,
                              tiles - r->first_task);
    spec->first_task = (uint32_t)r->first_task;
    spec->task_count = (uint32_t)(r->has_task_count ? r->task_count : tiles - r->first_task);
    return WIRE_OK;
}

enum wire_status service_read_request(const Request *request, struct run_spec *spec, struct wire_error *error)
{
    *spec = (struct run_spec){.time_limit_ms = request->time_limit_ms};
    if (check_fields(request, error) != WIRE_OK || read_mode(request, spec, error) != WIRE_OK ||
        read_kernel(request, spec, error) != WIRE_OK)
        return error->status;
    spec->num_threads = spec->sequential ? 1 : (uint32_t)request->num_threads;
    spec->grid = grid_make((uint32_t)request->width, (uint32_t)request->height, (uint32_t)request->tile_w,
                           (uint32_t)request->tile_h);
    spec->plane.width = spec->grid.width;
    spec->plane.height = spec->grid.height;
    spec->plane.max_iter = (uint32_t)request->max_iter;
    if (read_region(request->region, &spec->plane, error) != WIRE_OK)
        return error->status;
    return read_tasks(request, spec, error);
}
