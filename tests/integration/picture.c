#include "picture.h"

#include <check.h>
#include <stdlib.h>

#include "engine/kernel.h"
#include "image.h"
#include "served.h"

struct picture picture_of(const struct tilery_compute_request *request)
{
    const struct tilery_region *region = &request->region;
    const struct plane plane = {.re_min = region->re_min,
                                .im_min = region->im_min,
                                .re_span = region->re_span,
                                .im_span = region->im_span,
                                .width = (uint32_t)request->width,
                                .height = (uint32_t)request->height,
                                .max_iter = (uint32_t)request->max_iter};
    struct picture picture = {
        .grid = grid_make(plane.width, plane.height, (uint32_t)request->tile_w, (uint32_t)request->tile_h),
        .threads = (uint32_t)request->num_threads,
        .expected = image_compute(&kernel_scalar, &plane)};

    picture.seen = calloc(picture.grid.tiles, 1);
    ck_assert_ptr_nonnull(picture.seen);
    return picture;
}

void picture_free(struct picture *picture)
{
    free(picture->expected);
    free(picture->seen);
}

static void check_place(const struct picture *picture, const struct tilery_tile *tile)
{
    struct tile place;

    ck_assert_uint_lt(tile->task_id, picture->grid.tiles);
    place = grid_tile(&picture->grid, tile->task_id);
    ck_assert_uint_eq(tile->tile_x, place.x);
    ck_assert_uint_eq(tile->tile_y, place.y);
    ck_assert_uint_eq(tile->columns, place.columns);
    ck_assert_uint_eq(tile->rows, place.rows);
    ck_assert_uint_eq(tile->tile_w, picture->grid.tile_w);
    ck_assert_uint_eq(tile->tile_h, picture->grid.tile_h);
    ck_assert_uint_lt(tile->thread_id, picture->threads);
}

void picture_add(struct picture *picture, const struct tilery_tile *tile)
{
    check_place(picture, tile);
    ck_assert_msg(picture->seen[tile->task_id]++ == 0, "task %u came twice", tile->task_id);
    picture->tiles++;
    for (uint32_t row = 0; row < tile->rows; row++)
        ck_assert_mem_eq(
            &tile->counts[(size_t)row * tile->columns],
            &picture->expected[(size_t)(tile->tile_y + row) * picture->grid.width + tile->tile_x],
            tile->columns * sizeof *tile->counts);
}

void picture_check(const struct picture *picture, uint32_t first_task, uint32_t task_count)
{
    ck_assert_uint_eq(picture->tiles, task_count);
    for (uint32_t task = 0; task < task_count; task++)
        ck_assert_msg(picture->seen[first_task + task] == 1, "task %u is missing", first_task + task);
}

enum tilery_status picture_read(struct picture *picture, tilery_stream *stream)
{
    const struct tilery_tile *tile;
    enum tilery_status status;

    while ((status = tilery_stream_next(stream, &tile, &served.error)) == TILERY_OK && tile != NULL)
        picture_add(picture, tile);
    return status;
}

tilery_stream *picture_stream(const struct tilery_compute_request *request)
{
    struct picture picture = picture_of(request);
    tilery_stream *stream = served_stream(request, NULL);

    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    picture_free(&picture);
    return stream;
}

void picture_check_stream(const struct tilery_compute_request *request)
{
    tilery_stream_close(picture_stream(request));
}
