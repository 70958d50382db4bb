/* Streams that are not read to their end, or not at once. */
#include <pthread.h>
#include <sched.h>

#include "engine/clock.h"
#include "picture.h"
#include "served.h"
#include "suite.h"

/* Of a stream of small tiles. A client may have fetched as many beside it, once it reads. */
#define WINDOW_TILES ((UINT32_C(4) << 20) / (64 * 64 * sizeof(uint16_t)))

/* 16 MiB of counts in tiles of 8 KiB: far more than a window. */
static struct tilery_compute_request long_request(uint32_t num_threads)
{
    struct tilery_compute_request request = served_request(4096, 2048, 64, 64, num_threads);

    request.max_iter = 20;
    return request;
}

/* Fails unless all threads are free before a stream's lease could run out, and the server forgets the stream.
 */
static void check_gone(const char *id, uint32_t threads)
{
    const struct tilery_compute_request all = served_request(64, 64, 8, 8, threads);
    bool found;

    check_status(served_compute(served.client, &all, 8000, NULL), TILERY_OK);
    do
        check_status(tilery_cancel(served.client, id, NULL, &found, &served.error), TILERY_OK);
    while (found);
}

/* Before their leases could run out. */
START_TEST(closing_a_client_ends_its_streams_runs)
{
    const struct tilery_compute_request endless = served_endless();
    const struct tilery_tile *tile;
    uint64_t until_ns;
    struct tilery_error error;
    tilery_stream *streams[2];
    tilery_client *client;

    served_start(_i, 2, 8);
    client = served_connect(served.url);
    for (int i = 0; i < 2; i++)
        check_status(tilery_stream_open(client, &endless, NULL, &streams[i], &served.error), TILERY_OK);
    until_ns = clock_now_ns() + UINT64_C(8000000000);
    tilery_client_close(client);
    while (served_streams() != 0) {
        ck_assert_uint_lt(clock_now_ns(), until_ns);
        served_pause();
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tilery_stream_next(streams[i], &tile, &error), TILERY_CANCELLED);
        tilery_stream_close(streams[i]);
    }
}
END_TEST

static void read_tiles(tilery_stream *stream, unsigned count)
{
    const struct tilery_tile *tile;

    for (unsigned i = 0; i < count; i++) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        ck_assert_ptr_nonnull(tile);
    }
}

/* Reads on until it fails, and once more. */
static enum tilery_status read_to_error(tilery_stream *stream)
{
    const struct tilery_tile *tile;
    enum tilery_status status;

    do {
        status = tilery_stream_next(stream, &tile, &served.error);
        ck_assert((tile != NULL) == (status == TILERY_OK));
    } while (status == TILERY_OK);
    ck_assert_int_eq(served.error.status, status);
    ck_assert_int_eq(tilery_stream_next(stream, &tile, NULL), status);
    ck_assert_ptr_null(tile);
    ck_assert_uint_eq(tilery_stream_summary(stream).tiles_done, 0);
    return status;
}

static const unsigned read_before[] = {0, 1, 300};

START_TEST(closing_a_stream_half_way_ends_its_run)
{
    const struct tilery_compute_request request = long_request(2);
    tilery_stream *stream;

    served_start(_i % TRANSPORTS, 2, 8);
    stream = served_stream(&request, "half-way");
    read_tiles(stream, read_before[_i / TRANSPORTS]);
    tilery_stream_close(stream);
    check_gone("half-way", 2);
}
END_TEST

START_TEST(closing_a_stream_within_a_tile_or_in_the_queue_ends_it)
{
    const struct tilery_compute_request endless = served_endless();
    tilery_stream *stream, *queued, *last;

    served_start(_i, 1, 8);
    stream = served_stream(&endless, "working");
    queued = served_stream(&endless, "queued");
    last = served_stream(&endless, "last");
    tilery_stream_close(queued);
    tilery_stream_close(stream);
    tilery_stream_close(last);
    check_gone("queued", 1);
    check_gone("working", 1);
    check_gone("last", 1);
}
END_TEST

START_TEST(a_slow_reader_makes_the_run_wait)
{
    const struct tilery_compute_request request = long_request(2);
    struct picture picture = picture_of(&request);
    const struct tilery_tile *tile;
    uint64_t begun_ns, read_ns;
    tilery_stream *stream;

    served_start(_i, 8, 8);
    stream = served_stream(&request, NULL);
    check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK); /* the run's clock goes */
    picture_add(&picture, tile);
    begun_ns = clock_now_ns();
    check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK); /* as much work, done */
    read_ns = clock_now_ns();
    for (;;) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        if (tile == NULL)
            break;
        if (tilery_stream_tiles_received(stream) > 2 * WINDOW_TILES)
            ck_assert_uint_ge(tile->start_time_ns, read_ns - begun_ns);
        picture_add(&picture, tile);
    }
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    tilery_stream_close(stream);
    picture_free(&picture);
}
END_TEST

START_TEST(a_stream_that_nobody_reads_holds_up_no_compute_and_only_streams_behind_it)
{
    const struct tilery_compute_request request = long_request(4), half = served_request(64, 64, 8, 8, 4);
    struct picture picture = picture_of(&half);
    tilery_stream *unread, *behind;

    served_start(_i, 8, 8);
    unread = served_stream(&request, NULL);
    behind = served_stream(&half, NULL);
    check_status(served_compute(served.client, &half, 0, NULL), TILERY_OK);
    ck_assert_uint_eq(tilery_stream_tiles_received(behind), 0);
    tilery_stream_close(unread);
    check_status(picture_read(&picture, behind), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    tilery_stream_close(behind);
    picture_free(&picture);
}
END_TEST

struct reader {
    pthread_t thread;
    tilery_stream *stream;
    enum tilery_status status;
};

static void *read_on(void *arg)
{
    struct reader *reader = arg;
    const struct tilery_tile *tile;

    do
        reader->status = tilery_stream_next(reader->stream, &tile, NULL);
    while (reader->status == TILERY_OK && tile != NULL);
    return NULL;
}

static void start_reader(struct reader *reader, const struct tilery_compute_request *request)
{
    reader->stream = served_stream(request, "read");
    ck_assert_int_eq(pthread_create(&reader->thread, NULL, read_on, reader), 0);
}

static enum tilery_status end_reader(struct reader *reader)
{
    pthread_join(reader->thread, NULL);
    tilery_stream_close(reader->stream);
    return reader->status;
}

START_TEST(a_stream_cancelled_by_another_client_ends_for_its_reader)
{
    const struct tilery_compute_request request = _i / TRANSPORTS != 0 ? served_endless() : long_request(1);
    tilery_client *other;
    tilery_stream *stream;
    enum tilery_status status;

    served_start(_i % TRANSPORTS, 2, 8);
    other = served_connect(served.url);
    stream = served_stream(&request, "read");
    served_cancel(other, "read");
    status = read_to_error(stream);
    ck_assert(status == TILERY_CANCELLED || status == TILERY_NOT_FOUND);
    tilery_stream_close(stream);
    tilery_client_close(other);
    check_gone("read", 2);
}
END_TEST

START_TEST(a_reader_that_waits_is_told_of_a_cancel)
{
    const struct tilery_compute_request endless = served_endless();
    struct reader reader;
    enum tilery_status status;
    tilery_client *other;

    served_start(_i, 1, 8);
    other = served_connect(served.url);
    start_reader(&reader, &endless);
    served_cancel(other, "read");
    status = end_reader(&reader);
    ck_assert(status == TILERY_CANCELLED || status == TILERY_NOT_FOUND);
    tilery_client_close(other);
    check_gone("read", 1);
}
END_TEST

/* It might come back, so that takes as long as the stream's lease. */
START_TEST(a_server_stopped_in_mid_stream_ends_the_streams)
{
    const struct tilery_compute_request request = long_request(1), endless = served_endless();
    enum tilery_status status;
    tilery_stream *stream;
    struct reader reader;

    served_start(_i, 4, 8);
    stream = served_stream(&request, NULL);
    start_reader(&reader, &endless);
    read_tiles(stream, 10);
    served_halt();
    status = read_to_error(stream);
    ck_assert(status == TILERY_UNAVAILABLE || status == TILERY_NOT_FOUND);
    tilery_stream_close(stream);
    status = end_reader(&reader);
    ck_assert(status == TILERY_UNAVAILABLE || status == TILERY_NOT_FOUND);
}
END_TEST

START_TEST(a_server_started_again_in_mid_stream_does_not_find_the_stream)
{
    const struct tilery_compute_request request = long_request(1);
    tilery_client *once;
    tilery_stream *stream;

    served_start(_i, 2, 8);
    once = served_connect_once(served.url);
    check_status(tilery_stream_open(once, &request, NULL, &stream, &served.error), TILERY_OK);
    read_tiles(stream, 10);
    served_halt();
    served_again();
    ck_assert_int_eq(read_to_error(stream), TILERY_NOT_FOUND);
    tilery_stream_close(stream);
    tilery_client_close(once);
}
END_TEST

START_TEST(a_server_started_again_in_mid_stream_computes_the_rest_anew)
{
    const struct tilery_compute_request request = long_request(2);
    struct picture picture = picture_of(&request);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served_start(_i, 4, 8);
    stream = served_stream(&request, NULL);
    while (picture.tiles < 10) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        picture_add(&picture, tile);
    }
    served_halt();
    served_again();
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_tiles_received(stream), picture.grid.tiles);
    tilery_stream_close(stream);
    picture_free(&picture);
}
END_TEST

START_TEST(a_stream_s_time_is_up_at_work_and_in_the_queue)
{
    const struct tilery_compute_request endless = served_endless();
    const struct tilery_call_options options = {.timeout_ms = 300};
    tilery_stream *working, *queued;

    served_start(_i, 1, 8);
    check_status(tilery_stream_open(served.client, &endless, &options, &working, &served.error), TILERY_OK);
    check_status(tilery_stream_open(served.client, &endless, &options, &queued, &served.error), TILERY_OK);
    ck_assert_int_eq(read_to_error(queued), TILERY_DEADLINE_EXCEEDED);
    ck_assert_int_eq(read_to_error(working), TILERY_DEADLINE_EXCEEDED);
    tilery_stream_close(working);
    tilery_stream_close(queued);
    check_gone("none", 1);
}
END_TEST

/* It counts the reader's time too, whether there are tiles or not. */
START_TEST(a_stream_s_time_is_up_though_tiles_are_there)
{
    const struct tilery_compute_request request = long_request(2);
    const struct tilery_call_options options = {.timeout_ms = 100};
    tilery_stream *stream;
    uint64_t begin = clock_now_ns();

    served_start(_i, 8, 8);
    check_status(tilery_stream_open(served.client, &request, &options, &stream, &served.error), TILERY_OK);
    while (clock_now_ns() < begin + 150000000)
        check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK);
    ck_assert_int_eq(read_to_error(stream), TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_lt(tilery_stream_tiles_received(stream), tilery_stream_tiles_planned(stream));
    tilery_stream_close(stream);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stream ends");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, closing_a_client_ends_its_streams_runs, 0, TRANSPORTS);
    tcase_add_loop_test(tests, closing_a_stream_half_way_ends_its_run, 0, 3 * TRANSPORTS);
    tcase_add_loop_test(tests, closing_a_stream_within_a_tile_or_in_the_queue_ends_it, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_slow_reader_makes_the_run_wait, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_that_nobody_reads_holds_up_no_compute_and_only_streams_behind_it, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_cancelled_by_another_client_ends_for_its_reader, 0, 2 * TRANSPORTS);
    tcase_add_loop_test(tests, a_reader_that_waits_is_told_of_a_cancel, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_server_stopped_in_mid_stream_ends_the_streams, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_server_started_again_in_mid_stream_does_not_find_the_stream, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_server_started_again_in_mid_stream_computes_the_rest_anew, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_s_time_is_up_at_work_and_in_the_queue, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_s_time_is_up_though_tiles_are_there, 0, TRANSPORTS);
    return suite_run("stream ends", tests);
}
