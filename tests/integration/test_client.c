#include "tilery/client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grid.h"
#include "image.h"
#include "served.h"
#include "suite.h"
#include "wire/limits.h"

#define CLIENT_THREADS 8
#define CALLS_A_THREAD 25
#define CALLS_AT_ONCE 100

static void check_record(const struct grid *grid, const struct tilery_record *record)
{
    struct tile place;

    ck_assert_uint_lt(record->task_id, grid->tiles);
    place = grid_tile(grid, record->task_id);
    ck_assert_uint_eq(record->tile_x, place.x);
    ck_assert_uint_eq(record->tile_y, place.y);
    ck_assert_uint_eq(record->tile_w, grid->tile_w);
    ck_assert_uint_eq(record->tile_h, grid->tile_h);
    ck_assert_uint_eq(record->pixels_computed, grid->tile_w * grid->tile_h);
    ck_assert_uint_eq(record->start_time_ms, record->start_time_ns / 1000000);
    ck_assert_uint_eq(record->duration_ms, record->duration_ns / 1000000);
}

static struct tilery_summary check_image_summary(const tilery_result *result, uint32_t width, uint32_t height)
{
    struct plane plane = image_plane(width, height, 100);
    uint16_t *counts = image_compute(&kernel_scalar, &plane);
    struct tilery_summary summary = tilery_result_summary(result);

    ck_assert_uint_eq(summary.pixels, width * height);
    ck_assert_uint_eq(summary.iterations, image_sum(counts, (size_t)width * height));
    ck_assert_uint_eq(summary.tiles_done, tilery_result_count(result));
    ck_assert_uint_eq(summary.tiles_planned, summary.tiles_done);
    ck_assert(!summary.time_limited && summary.imbalance >= 1.0);
    ck_assert_int_eq(summary.schedule, TILERY_SCHEDULE_STATIC);
    ck_assert_uint_ge(summary.run_ns, summary.wall_ns);
    free(counts);
    return summary;
}

START_TEST(a_result_has_each_tile_once_and_sums_that_fit_the_image)
{
    struct tilery_compute_request request = served_request(203, 151, 32, 48, 3);
    struct grid grid = grid_make(203, 151, 32, 48);
    struct tilery_summary summary;
    uint64_t busy[3] = {0}, tiles[3] = {0}, seen = 0;
    tilery_result *result;

    served_start(_i, 4, 8);
    request.kernel = "scalar";
    check_status(tilery_compute(served.client, &request, NULL, &result, &served.error), TILERY_OK);
    ck_assert_uint_eq(tilery_result_count(result), grid.tiles);
    summary = check_image_summary(result, 203, 151);
    ck_assert_str_eq(summary.kernel, "scalar");
    ck_assert_uint_eq(summary.threads, 3);
    for (size_t i = 0; i < grid.tiles; i++) {
        struct tilery_record record = tilery_result_record(result, i);

        check_record(&grid, &record);
        ck_assert_uint_eq(seen >> record.task_id & 1, 0);
        seen |= UINT64_C(1) << record.task_id;
        busy[record.thread_id] += record.duration_ns;
        tiles[record.thread_id]++;
    }
    for (size_t k = 0; k < summary.threads; k++) {
        struct tilery_thread thread = tilery_result_thread(result, k);

        ck_assert_uint_eq(thread.thread_id, k);
        ck_assert_uint_eq(thread.busy_ns, busy[k]);
        ck_assert_uint_eq(thread.tiles, tiles[k]);
    }
    tilery_result_free(result);
}
END_TEST

START_TEST(many_asynchronous_calls_at_once_end_once_each_with_their_own_result)
{
    static struct ending endings[CALLS_AT_ONCE];

    served_start(_i, 4, CALLS_AT_ONCE);
    for (uint32_t i = 0; i < CALLS_AT_ONCE; i++) {
        const struct tilery_compute_request request = served_request(i + 1, 3, 2, 2, 1 + i % 3);

        ending_of(&endings[i], served.client, &request, 0, NULL);
    }
    for (uint32_t i = 0; i < CALLS_AT_ONCE; i++) {
        ck_assert_int_eq(ending_wait(&endings[i]), TILERY_OK);
        ck_assert_uint_eq(endings[i].pixels, (i + 1) * 3);
    }
    served_disconnect();
    for (uint32_t i = 0; i < CALLS_AT_ONCE; i++)
        ck_assert_uint_eq(atomic_load(&endings[i].times), 1);
}
END_TEST

struct chain {
    sem_t over;
    unsigned left;
};

static void start_next(void *arg, tilery_result *result, const struct tilery_error *error)
{
    const struct tilery_compute_request request = served_request(8, 8, 4, 4, 2);
    struct chain *chain = arg;

    ck_assert_ptr_null(error);
    tilery_result_free(result);
    if (--chain->left == 0)
        sem_post(&chain->over);
    else
        ck_assert_int_eq(tilery_compute_async(served.client, &request, NULL, start_next, chain, NULL),
                         TILERY_OK);
}

START_TEST(a_callback_may_start_the_next_call)
{
    static struct chain chain;
    const struct tilery_compute_request request = served_request(8, 8, 4, 4, 2);

    served_start(_i, 4, 8);
    chain.left = 50;
    sem_init(&chain.over, 0, 0);
    check_status(tilery_compute_async(served.client, &request, NULL, start_next, &chain, &served.error),
                 TILERY_OK);
    while (sem_wait(&chain.over) != 0)
        continue;
    ck_assert_uint_eq(chain.left, 0);
}
END_TEST

static void *call_often(void *arg)
{
    uint32_t side = *(const uint32_t *)arg;
    struct tilery_compute_request request = served_request(side, side, 4, 4, 2);

    for (int i = 0; i < CALLS_A_THREAD; i++) {
        tilery_result *result;

        ck_assert_int_eq(tilery_compute(served.client, &request, NULL, &result, NULL), TILERY_OK);
        ck_assert_uint_eq(tilery_result_summary(result).pixels, side * side);
        tilery_result_free(result);
        ck_assert_int_eq(tilery_health(served.client, NULL, NULL), TILERY_OK);
    }
    return NULL;
}

START_TEST(many_threads_share_one_client)
{
    pthread_t threads[CLIENT_THREADS];
    uint32_t sides[CLIENT_THREADS];

    served_start(_i, 4, 2 * CLIENT_THREADS);
    for (uint32_t i = 0; i < CLIENT_THREADS; i++) {
        sides[i] = 10 + i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &sides[i]), 0);
    }
    for (uint32_t i = 0; i < CLIENT_THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static void note_health(void *arg, const struct tilery_error *error)
{
    struct ending *ending = arg;

    ending->status = error != NULL ? error->status : TILERY_OK;
    sem_post(&ending->over);
}

START_TEST(a_server_is_healthy_both_ways)
{
    static struct ending ending;

    served_start(_i, 4, 8);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    ending_init(&ending);
    check_status(tilery_health_async(served.client, NULL, note_health, &ending, &served.error), TILERY_OK);
    ck_assert_int_eq(ending_wait(&ending), TILERY_OK);
}
END_TEST

START_TEST(info_tells_the_limits_that_are_in_force)
{
    struct tilery_info *info, *later;

    served_start(_i, 4, 8);
    check_status(tilery_info(served.client, NULL, &info, &served.error), TILERY_OK);
    ck_assert_str_eq(info->version, tilery_version());
    ck_assert_uint_ge(info->kernel_count, 1);
    ck_assert_str_eq(info->kernels[info->kernel_count - 1], "scalar");
    ck_assert_uint_ge(info->schedule_count, 1);
    ck_assert_str_eq(info->schedules[0], "static");
    ck_assert_uint_eq(info->max_width, 65536);
    ck_assert_uint_eq(info->max_height, 65536);
    ck_assert_uint_eq(info->max_tiles, WIRE_MAX_TILES);
    ck_assert_uint_eq(info->max_threads, 256);
    ck_assert_uint_eq(info->max_time_limit_ms, 600000);
    ck_assert_uint_eq(info->max_tile_bytes, WIRE_MAX_TILE_BYTES);
    ck_assert_uint_eq(info->max_request_bytes, WIRE_MAX_REQUEST_BYTES);
    ck_assert_uint_eq(info->max_reply_bytes, WIRE_MAX_REPLY_BYTES);
    ck_assert_uint_eq(info->max_timeout_ms, 660000);
    ck_assert_uint_ge(info->cpus, 1);
    check_status(tilery_info(served.client, NULL, &later, &served.error), TILERY_OK);
    ck_assert_uint_gt(later->uptime_ns, info->uptime_ns);
    tilery_info_free(later);
    tilery_info_free(info);
}
END_TEST

START_TEST(a_client_without_a_server_option_dials_the_default_port)
{
    const struct tilery_client_options none = {.connect_timeout_ms = 0};
    tilery_client *client;

    check_status(tilery_client_open(&none, &client, &served.error), TILERY_OK);
    tilery_client_close(client);
    check_status(tilery_client_open(NULL, &client, &served.error), TILERY_OK);
    tilery_client_close(client);
}
END_TEST

static const char *const no_urls[] = {"", "nonsense", "127.0.0.1:5570", "gopher://127.0.0.1:5570",
                                      "tcp://\x01"};

START_TEST(what_is_no_url_is_refused_and_shown)
{
    const struct tilery_client_options options = {.server = no_urls[_i]};
    tilery_client *client;

    check_status(tilery_client_open(&options, &client, &served.error), TILERY_INVALID_ARGUMENT);
    ck_assert_ptr_null(client);
    ck_assert_ptr_nonnull(strstr(served.error.message, "server is \""));
    ck_assert_ptr_null(strchr(served.error.message, '\x01'));
}
END_TEST

START_TEST(a_field_is_set_from_its_text)
{
    struct tilery_compute_request request = served_request(1, 1, 1, 1, 1);

    check_status(tilery_compute_request_set(&request, "max_iter", "65535", &served.error), TILERY_OK);
    ck_assert_uint_eq(request.max_iter, 65535);
    check_status(tilery_compute_request_set(&request, "max_iter", "65536", &served.error),
                 TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(served.error.message,
                     "max_iter is \"65536\"; it must be a whole number from 1 to 65535");
    ck_assert_uint_eq(request.max_iter, 65535);
    check_status(tilery_compute_request_set(&request, "kernel", "scalar", &served.error), TILERY_OK);
    ck_assert_str_eq(request.kernel, "scalar");
    check_status(tilery_compute_request_set(&request, "colour", "1", &served.error), TILERY_NOT_FOUND);
}
END_TEST

START_TEST(a_result_takes_no_more_memory_than_its_request_said)
{
    static const uint32_t tiles[] = {1, 2, 24, 25, 26, 50, 100, 101, 1000, 1023, 10000, 65536, 100001};
    struct tilery_compute_request request = served_request(1, 1, 1, 1, 256);
    tilery_result *result;

    served_start(INPROC, 8, 8);
    request.max_iter = 1;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        request.width = tiles[i] > 65536 ? tiles[i] / 2 : tiles[i];
        request.height = tiles[i] > 65536 ? 2 : 1;
        check_status(tilery_compute(served.client, &request, NULL, &result, &served.error), TILERY_OK);
        ck_assert_uint_le(tilery_result_bytes(result), tilery_compute_request_bytes(&request));
        ck_assert_uint_ge(tilery_result_bytes(result), 100 * tilery_result_count(result));
        tilery_result_free(result);
    }
    request.width = 0;
    ck_assert_uint_eq(tilery_compute_request_bytes(&request), 0);
}
END_TEST

START_TEST(null_is_freed_and_closed)
{
    tilery_client_close(NULL);
    tilery_result_free(NULL);
    tilery_info_free(NULL);
    tilery_stream_close(NULL);
    daemon_stop(NULL);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("client");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_result_has_each_tile_once_and_sums_that_fit_the_image, 0, TRANSPORTS);
    tcase_add_loop_test(tests, many_asynchronous_calls_at_once_end_once_each_with_their_own_result, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_callback_may_start_the_next_call, 0, TRANSPORTS);
    tcase_add_loop_test(tests, many_threads_share_one_client, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_server_is_healthy_both_ways, 0, TRANSPORTS);
    tcase_add_loop_test(tests, info_tells_the_limits_that_are_in_force, 0, TRANSPORTS);
    tcase_add_test(tests, a_client_without_a_server_option_dials_the_default_port);
    tcase_add_loop_test(tests, what_is_no_url_is_refused_and_shown, 0, sizeof no_urls / sizeof *no_urls);
    tcase_add_test(tests, a_field_is_set_from_its_text);
    tcase_add_test(tests, a_result_takes_no_more_memory_than_its_request_said);
    tcase_add_test(tests, null_is_freed_and_closed);
    return suite_run("client", tests);
}
