/* Streams that are read to their end: the image, its tiles' order and places, and the summary. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "picture.h"
#include "served.h"
#include "suite.h"
#include "wire/limits.h"

/* The loop's index over transports and kinds of an array. */
#define KINDS(array) (TRANSPORTS * (int)(sizeof(array) / sizeof *(array)))
#define TRANSPORT_OF(i) ((i) % TRANSPORTS)
#define KIND_OF(array, i) ((array)[(i) / TRANSPORTS])

static const struct {
    uint32_t width, height, tile_w, tile_h, threads;
} shapes[] = {
    {203, 151, 32, 48, 1},       /* clipped at both edges */
    {203, 151, 32, 48, 3},       /**/
    {203, 151, 32, 48, 8},       /* more threads than streams may have */
    {128, 128, 64, 64, 2},       /* nothing clipped */
    {200, 150, 200, 1, 2},       /* rows */
    {200, 150, 200, 16, 3},      /* bands, the last one lower */
    {200, 150, 7, 150, 3},       /* columns */
    {64, 64, 1, 1, 2},           /* pixels */
    {50, 40, 65536, 65536, 4},   /* one tile, clipped to the image */
    {1, 1, 1, 1, 1},             /* the smallest */
    {1024, 3072, 1024, 1024, 2}, /* tiles larger than a batch */
    {2048, 1536, 128, 128, 2},   /* many batches */
};

START_TEST(the_tiles_of_a_stream_are_the_whole_image)
{
    const struct tilery_compute_request request =
        served_request(KIND_OF(shapes, _i).width, KIND_OF(shapes, _i).height, KIND_OF(shapes, _i).tile_w,
                       KIND_OF(shapes, _i).tile_h, KIND_OF(shapes, _i).threads);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served_start(TRANSPORT_OF(_i), 8, 8);
    stream = picture_stream(&request);
    ck_assert_uint_eq(tilery_stream_tiles_received(stream), tilery_stream_tiles_planned(stream));
    for (int again = 0; again < 3; again++) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        ck_assert_ptr_null(tile);
    }
    tilery_stream_close(stream);
}
END_TEST

START_TEST(a_stream_shows_the_region_in_the_kernel_and_the_steps_it_was_asked_for)
{
    struct tilery_compute_request request = served_request(90, 60, 32, 32, 2);
    tilery_stream *stream;

    served_start(_i, 4, 8);
    request.region = (struct tilery_region){-0.75, 0.1, 0.01, 0.02};
    request.max_iter = 65535;
    request.kernel = "scalar";
    stream = picture_stream(&request);
    ck_assert_str_eq(tilery_stream_summary(stream).kernel, "scalar");
    tilery_stream_close(stream);
}
END_TEST

struct sums {
    uint64_t tiles[3], busy_ns[3];
};

static struct sums read_sums(tilery_stream *stream)
{
    const struct tilery_tile *tile;
    struct sums sums = {.tiles = {0}};

    for (;;) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        if (tile == NULL)
            return sums;
        ck_assert_uint_lt(tile->thread_id, 3);
        ck_assert_uint_eq(tile->start_time_ms, tile->start_time_ns / 1000000);
        ck_assert_uint_eq(tile->duration_ms, tile->duration_ns / 1000000);
        sums.tiles[tile->thread_id]++;
        sums.busy_ns[tile->thread_id] += tile->duration_ns;
    }
}

static void check_threads(const tilery_stream *stream, const struct sums *sums)
{
    struct tilery_summary summary = tilery_stream_summary(stream);
    uint64_t total = 0, most = 0;

    ck_assert_uint_eq(summary.threads, 3);
    for (size_t k = 0; k < 3; k++) {
        struct tilery_thread thread = tilery_stream_thread(stream, k);

        ck_assert_uint_eq(thread.thread_id, k);
        ck_assert_uint_eq(thread.tiles, sums->tiles[k]);
        ck_assert_uint_eq(thread.busy_ns, sums->busy_ns[k]);
        total += thread.busy_ns;
        most = thread.busy_ns > most ? thread.busy_ns : most;
    }
    ck_assert_double_eq_tol(summary.imbalance, 3.0 * (double)most / (double)total, 1e-9);
}

START_TEST(the_summary_s_sums_are_those_of_the_tiles_and_the_image)
{
    const struct tilery_compute_request request = served_request(203, 151, 32, 48, 3);
    struct plane plane = image_plane(203, 151, 100);
    uint16_t *counts = image_compute(&kernel_scalar, &plane);
    struct tilery_summary summary;
    tilery_stream *stream;
    struct sums sums;

    served_start(_i, 8, 8);
    stream = served_stream(&request, NULL);
    summary = tilery_stream_summary(stream);
    ck_assert_uint_eq(summary.wall_ns + summary.tiles_planned + summary.tiles_done + summary.threads, 0);
    sums = read_sums(stream);
    check_threads(stream, &sums);
    summary = tilery_stream_summary(stream);
    ck_assert_uint_eq(summary.pixels, 203 * 151);
    ck_assert_uint_eq(summary.iterations, image_sum(counts, 203 * 151));
    ck_assert_uint_eq(summary.tiles_planned, 28);
    ck_assert_uint_eq(summary.tiles_done, 28);
    ck_assert(!summary.time_limited && summary.wall_ns > 0);
    ck_assert_int_eq(summary.schedule, TILERY_SCHEDULE_STATIC);
    tilery_stream_close(stream);
    free(counts);
}
END_TEST

START_TEST(a_sequential_stream_comes_in_task_order_from_one_thread)
{
    struct tilery_compute_request request = served_request(203, 151, 16, 16, 8);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served_start(_i, 8, 8);
    request.mode = TILERY_MODE_SEQUENTIAL;
    stream = served_stream(&request, NULL);
    for (uint32_t task = 0; task < tilery_stream_tiles_planned(stream); task++) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        ck_assert_ptr_nonnull(tile);
        ck_assert_uint_eq(tile->task_id, task);
        ck_assert_uint_eq(tile->thread_id, 0);
        ck_assert_uint_eq(tilery_stream_tiles_received(stream), task + 1);
    }
    check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
    ck_assert_ptr_null(tile);
    ck_assert_uint_eq(tilery_stream_summary(stream).threads, 1);
    tilery_stream_close(stream);
}
END_TEST

static const struct {
    uint32_t first, count, come; /* count 0: to the last; of 28 tasks */
} ranges[] = {{0, 1, 1}, {0, 0, 28}, {5, 9, 9}, {27, 1, 1}, {27, 0, 1}, {20, 0, 8}, {0, 28, 28}};

START_TEST(a_range_of_tasks_comes_with_the_whole_image_s_numbers)
{
    struct tilery_compute_request request = served_request(203, 151, 32, 48, 3);
    struct picture picture = picture_of(&request);
    uint32_t come = KIND_OF(ranges, _i).come;
    tilery_stream *stream;

    served_start(TRANSPORT_OF(_i), 8, 8);
    request.first_task = KIND_OF(ranges, _i).first;
    request.task_count = KIND_OF(ranges, _i).count;
    stream = served_stream(&request, NULL);
    ck_assert_uint_eq(tilery_stream_tiles_planned(stream), come);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, KIND_OF(ranges, _i).first, come);
    ck_assert_uint_eq(tilery_stream_summary(stream).tiles_done, come);
    tilery_stream_close(stream);
    picture_free(&picture);
}
END_TEST

START_TEST(a_time_limit_leaves_a_stream_incomplete_that_ends_well)
{
    struct tilery_compute_request request = served_request(256, 256, 8, 8, 1);
    struct tilery_summary summary;
    const struct tilery_tile *tile;
    tilery_stream *stream;
    uint64_t tiles = 0;

    served_start(_i, 4, 8);
    request.region = served_endless().region;
    request.max_iter = 65535;
    request.kernel = "scalar";
    request.time_limit_ms = 100;
    stream = served_stream(&request, NULL);
    for (;; tiles++) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        if (tile == NULL)
            break;
        for (size_t pixel = 0; pixel < (size_t)tile->columns * tile->rows; pixel++)
            ck_assert_uint_eq(tile->counts[pixel], 65535);
    }
    summary = tilery_stream_summary(stream);
    ck_assert(summary.time_limited);
    ck_assert_uint_ge(tiles, 1);
    ck_assert_uint_lt(tiles, summary.tiles_planned);
    ck_assert_uint_eq(summary.tiles_done, tiles);
    ck_assert_uint_eq(tilery_stream_tiles_received(stream), tiles);
    tilery_stream_close(stream);
}
END_TEST

START_TEST(a_time_limit_of_0_is_a_stream_without_tiles)
{
    struct tilery_compute_request request = served_request(64, 64, 8, 8, 4);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served_start(_i, 4, 8);
    request.time_limit_ms = 0;
    stream = served_stream(&request, NULL);
    check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
    ck_assert_ptr_null(tile);
    ck_assert(tilery_stream_summary(stream).time_limited);
    ck_assert_uint_eq(tilery_stream_summary(stream).tiles_planned, 64);
    ck_assert_uint_eq(tilery_stream_summary(stream).tiles_done, 0);
    tilery_stream_close(stream);
}
END_TEST

START_TEST(a_tile_of_32_mib_is_streamed_and_a_larger_one_is_refused)
{
    struct tilery_compute_request request = served_request(4096, 4096, 4096, 4096, 1);
    tilery_stream *stream;

    served_start(_i, 4, 8);
    request.max_iter = 1;
    picture_check_stream(&request);
    request.height = request.tile_h = 4097;
    check_status(tilery_stream_open(served.client, &request, NULL, &stream, &served.error),
                 TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(
        served.error.message,
        "tile_w and tile_h make tiles of 33562624 bytes; a streamed one may have at most 33554432");
    check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK);
}
END_TEST

static void *stream_often(void *arg)
{
    uint32_t side = *(const uint32_t *)arg;
    const struct tilery_compute_request request = served_request(side, side, 16, 16, 2);

    for (int i = 0; i < 10; i++) {
        struct picture picture = picture_of(&request);
        const struct tilery_tile *tile;
        tilery_stream *stream;

        ck_assert_int_eq(tilery_stream_open(served.client, &request, NULL, &stream, NULL), TILERY_OK);
        while (tilery_stream_next(stream, &tile, NULL) == TILERY_OK && tile != NULL)
            picture_add(&picture, tile);
        picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
        tilery_stream_close(stream);
        picture_free(&picture);
    }
    return NULL;
}

START_TEST(two_threads_read_a_stream_each_through_one_client)
{
    uint32_t sides[] = {190, 257};
    pthread_t threads[2];

    served_start(_i, 8, 8);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, stream_often, &sides[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(a_stream_has_the_id_it_was_given_or_one_of_its_own)
{
    const struct tilery_compute_request request = served_request(8, 8, 8, 8, 1);
    tilery_stream *named, *unnamed, *other;

    served_start(_i, 4, 8);
    named = served_stream(&request, "a-name");
    ck_assert_str_eq(tilery_stream_id(named), "a-name");
    unnamed = served_stream(&request, NULL);
    other = served_stream(&request, NULL);
    ck_assert_uint_eq(strspn(tilery_stream_id(unnamed), "0123456789abcdef"), 32);
    ck_assert_uint_eq(strlen(tilery_stream_id(unnamed)), 32);
    ck_assert_str_ne(tilery_stream_id(unnamed), tilery_stream_id(other));
    tilery_stream_close(other);
    tilery_stream_close(unnamed);
    tilery_stream_close(named);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stream");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_tiles_of_a_stream_are_the_whole_image, 0, KINDS(shapes));
    tcase_add_loop_test(tests, a_stream_shows_the_region_in_the_kernel_and_the_steps_it_was_asked_for, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, the_summary_s_sums_are_those_of_the_tiles_and_the_image, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_sequential_stream_comes_in_task_order_from_one_thread, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_range_of_tasks_comes_with_the_whole_image_s_numbers, 0, KINDS(ranges));
    tcase_add_loop_test(tests, a_time_limit_leaves_a_stream_incomplete_that_ends_well, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_time_limit_of_0_is_a_stream_without_tiles, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_tile_of_32_mib_is_streamed_and_a_larger_one_is_refused, 0, TRANSPORTS);
    tcase_add_loop_test(tests, two_threads_read_a_stream_each_through_one_client, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_has_the_id_it_was_given_or_one_of_its_own, 0, TRANSPORTS);
    return suite_run("stream", tests);
}
