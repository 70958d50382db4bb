/* Streams whose server is lost: another computes the rest, and each tile comes once. */
#include <stdio.h>

#include "picture.h"
#include "proxy.h"
#include "served.h"
#include "suite.h"

/* Two servers behind proxies, and a client of both. */
struct pair {
    struct daemon *daemon; /* the other one; served has the first */
    struct proxy *proxies[2];
    tilery_client *client;
};

static struct daemon *start_daemon(void)
{
    const char *url = "tcp://127.0.0.1:0";
    struct daemon_options options = DAEMON_DEFAULTS;
    struct wire_error error;
    struct daemon *daemon;

    options.listen = &url;
    options.listen_count = 1;
    options.max_threads = 4;
    ck_assert_int_eq(daemon_start(&options, &daemon, &error), WIRE_OK);
    return daemon;
}

static struct pair pair_start(unsigned max_attempts)
{
    struct tilery_client_options options = {.connect_timeout_ms = 60000, .max_attempts = max_attempts};
    struct pair pair;
    char urls[512];

    served_start(TCP, 4, 8);
    pair.daemon = start_daemon();
    pair.proxies[0] = proxy_start(served.url, PROXY_WHEN_TOLD);
    pair.proxies[1] = proxy_start(daemon_url(pair.daemon, 0), PROXY_WHEN_TOLD);
    (void)snprintf(urls, sizeof urls, "%s,%s", proxy_url(pair.proxies[0]), proxy_url(pair.proxies[1]));
    options.server = urls;
    check_status(tilery_client_open(&options, &pair.client, &served.error), TILERY_OK);
    while (proxy_requests(pair.proxies[0]) == 0 || proxy_requests(pair.proxies[1]) == 0)
        check_status(tilery_health(pair.client, NULL, &served.error), TILERY_OK);
    return pair;
}

static void pair_end(struct pair *pair)
{
    tilery_client_close(pair->client);
    for (size_t i = 0; i < 2; i++)
        if (pair->proxies[i] != NULL)
            proxy_stop(pair->proxies[i]);
    daemon_stop(pair->daemon);
}

/* 16 MiB of counts in tiles of 8 KiB: far more than a window, and what has been sent beside it. */
static struct tilery_compute_request long_request(enum tilery_schedule schedule)
{
    struct tilery_compute_request request = served_request(4096, 2048, 64, 64, 2);

    request.max_iter = 20;
    request.schedule = schedule;
    return request;
}

/* Opens the stream, and tells which of the two has it. */
static tilery_stream *open_stream(const struct pair *pair, const struct tilery_compute_request *request,
                                  const struct tilery_call_options *options, size_t *at)
{
    unsigned before = proxy_requests(pair->proxies[0]);
    tilery_stream *stream;

    check_status(tilery_stream_open(pair->client, request, options, &stream, &served.error), TILERY_OK);
    *at = proxy_requests(pair->proxies[0]) != before ? 0 : 1;
    return stream;
}

/* Gives the last one's run. */
static uint32_t read_some(tilery_stream *stream, struct picture *picture, uint64_t tiles)
{
    const struct tilery_tile *tile;
    uint32_t run = 0;

    while (picture->tiles < tiles) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        ck_assert_ptr_nonnull(tile);
        ck_assert_uint_ge(tile->run, run);
        run = tile->run;
        picture_add(picture, tile);
    }
    return run;
}

/* Takes a server away, at once or drained. */
static void lose(struct pair *pair, size_t at, bool drained)
{
    if (drained && at == 0) {
        served_halt();
    } else if (drained) {
        daemon_stop(pair->daemon);
        pair->daemon = NULL;
    } else {
        proxy_stop(pair->proxies[at]);
        pair->proxies[at] = NULL;
    }
}

static const enum tilery_schedule schedules[] = {TILERY_SCHEDULE_STATIC, TILERY_SCHEDULE_DYNAMIC};

START_TEST(a_stream_whose_server_is_lost_gives_the_very_same_image)
{
    const struct tilery_compute_request request = long_request(schedules[_i % 2]);
    const uint32_t read_before[] = {0, 10, 300};
    struct picture picture = picture_of(&request);
    struct pair pair = pair_start(0);
    tilery_stream *stream;
    uint32_t run;
    size_t at;

    stream = open_stream(&pair, &request, NULL, &at);
    ck_assert_uint_eq(read_some(stream, &picture, read_before[_i / 4]), 0);
    lose(&pair, at, _i / 2 % 2 != 0);
    run = read_some(stream, &picture, picture.grid.tiles);
    ck_assert_uint_eq(run, 1);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_tiles_received(stream), picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_tiles_planned(stream), picture.grid.tiles);
    tilery_stream_close(stream);
    pair_end(&pair);
    picture_free(&picture);
}
END_TEST

START_TEST(a_stream_of_a_range_of_tasks_stays_within_it)
{
    struct tilery_compute_request request = long_request(TILERY_SCHEDULE_CYCLIC);
    struct picture picture = picture_of(&request);
    struct pair pair = pair_start(0);
    tilery_stream *stream;
    size_t at;

    request.first_task = 37;
    request.task_count = 401;
    stream = open_stream(&pair, &request, &(struct tilery_call_options){.request_id = "mine"}, &at);
    read_some(stream, &picture, 20);
    lose(&pair, at, false);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 37, 401);
    ck_assert_str_eq(tilery_stream_id(stream), "mine");
    tilery_stream_close(stream);
    pair_end(&pair);
    picture_free(&picture);
}
END_TEST

START_TEST(without_retries_it_is_not_moved)
{
    const struct tilery_compute_request request = long_request(TILERY_SCHEDULE_STATIC);
    const struct tilery_call_options soon = {.timeout_ms = 1500};
    struct picture picture = picture_of(&request);
    struct pair pair = pair_start(1);
    enum tilery_status status;
    tilery_stream *stream;
    size_t at;

    stream = open_stream(&pair, &request, &soon, &at);
    read_some(stream, &picture, 10);
    lose(&pair, at, false);
    status = picture_read(&picture, stream);
    ck_assert(status == TILERY_UNAVAILABLE || status == TILERY_DEADLINE_EXCEEDED);
    tilery_stream_close(stream);
    pair_end(&pair);
    picture_free(&picture);
}
END_TEST

/* A connection that comes back soon brings the same run, which computes nothing twice. */
START_TEST(a_short_cut_moves_nothing)
{
    const struct tilery_compute_request request = long_request(TILERY_SCHEDULE_STATIC);
    struct picture picture = picture_of(&request);
    struct pair pair = pair_start(0);
    tilery_stream *stream;
    unsigned before;
    size_t at;

    stream = open_stream(&pair, &request, NULL, &at);
    before = proxy_requests(pair.proxies[1 - at]);
    read_some(stream, &picture, 10);
    proxy_cut_now(pair.proxies[at]);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    ck_assert_uint_eq(proxy_requests(pair.proxies[1 - at]), before);
    ck_assert_uint_eq(tilery_stream_summary(stream).tiles_done, picture.grid.tiles);
    tilery_stream_close(stream);
    pair_end(&pair);
    picture_free(&picture);
}
END_TEST

START_TEST(a_stream_that_another_client_cancels_is_not_begun_anew)
{
    const struct tilery_compute_request endless = served_endless();
    struct pair pair = pair_start(0);
    const struct tilery_tile *tile;
    enum tilery_status status;
    tilery_stream *stream;
    size_t at;

    stream = open_stream(&pair, &endless, &(struct tilery_call_options){.request_id = "mine"}, &at);
    served_cancel(pair.client, "mine");
    status = tilery_stream_next(stream, &tile, &served.error);
    ck_assert(status == TILERY_CANCELLED || status == TILERY_NOT_FOUND);
    tilery_stream_close(stream);
    pair_end(&pair);
}
END_TEST

/* Its server knows, though the reader comes by another connection. */
START_TEST(a_stream_that_is_cancelled_while_its_connection_is_lost_is_not_begun_anew)
{
    const struct tilery_compute_request request = long_request(TILERY_SCHEDULE_STATIC);
    const struct tilery_call_options named = {.request_id = "mine", .wait_for_ready = true};
    struct picture picture = picture_of(&request);
    struct proxy *proxy;
    tilery_client *client;
    enum tilery_status status;
    tilery_stream *stream;

    served_start(TCP, 4, 8);
    proxy = proxy_start(served.url, PROXY_WHEN_TOLD);
    client = served_connect(proxy_url(proxy));
    check_status(tilery_stream_open(client, &request, &named, &stream, &served.error), TILERY_OK);
    read_some(stream, &picture, 1);
    served_cancel(served.client, "mine");
    proxy_cut_now(proxy);
    check_status(picture_read(&picture, stream), TILERY_CANCELLED);
    tilery_stream_close(stream);
    /* The name is free once the run has ended, and means the new one. The connection may still be missing. */
    do
        status = tilery_stream_open(client, &request, &named, &stream, &served.error);
    while (status == TILERY_ALREADY_EXISTS);
    check_status(status, TILERY_OK);
    picture_free(&picture);
    picture = picture_of(&request);
    check_status(picture_read(&picture, stream), TILERY_OK);
    tilery_stream_close(stream);
    tilery_client_close(client);
    proxy_stop(proxy);
    picture_free(&picture);
}
END_TEST

/* ---- tilery_stream_run ---- */

struct seen {
    struct picture *picture;
    uint64_t calls, received;
    uint32_t enough;
};

static bool see_tile(void *arg, const struct tilery_tile *tile)
{
    struct seen *seen = arg;

    picture_add(seen->picture, tile);
    return seen->picture->tiles < seen->enough;
}

static void see_progress(void *arg, uint64_t received, uint64_t planned)
{
    struct seen *seen = arg;

    ck_assert_uint_eq(received, seen->calls++);
    ck_assert_uint_eq(planned, seen->picture->grid.tiles);
    seen->received = received;
}

START_TEST(a_whole_stream_is_run_with_callbacks)
{
    const struct tilery_compute_request request = served_request(203, 151, 32, 48, 3);
    struct picture picture = picture_of(&request);
    struct seen seen = {.picture = &picture, .enough = UINT32_MAX};

    served_start(_i, 8, 8);
    check_status(
        tilery_stream_run(served.client, &request, NULL, see_tile, see_progress, &seen, &served.error),
        TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    ck_assert_uint_eq(seen.received, picture.grid.tiles);
    picture_free(&picture);
}
END_TEST

START_TEST(a_callback_that_has_enough_ends_the_stream_and_its_run)
{
    const struct tilery_compute_request request = long_request(TILERY_SCHEDULE_STATIC);
    const struct tilery_call_options options = {.request_id = "mine"};
    struct picture picture = picture_of(&request);
    struct seen seen = {.picture = &picture, .enough = 7};
    bool found;

    served_start(_i, 8, 8);
    check_status(tilery_stream_run(served.client, &request, &options, see_tile, NULL, &seen, &served.error),
                 TILERY_CANCELLED);
    ck_assert_uint_eq(picture.tiles, 7);
    do
        check_status(tilery_cancel(served.client, "mine", NULL, &found, &served.error), TILERY_OK);
    while (found);
    picture_free(&picture);
}
END_TEST

START_TEST(a_stream_that_cannot_be_opened_calls_nobody)
{
    struct tilery_compute_request request = served_request(64, 64, 8, 8, 1);
    struct picture picture = picture_of(&request);
    struct seen seen = {.picture = &picture};

    served_start(_i, 8, 8);
    request.max_iter = 0;
    check_status(
        tilery_stream_run(served.client, &request, NULL, see_tile, see_progress, &seen, &served.error),
        TILERY_INVALID_ARGUMENT);
    ck_assert_uint_eq(seen.calls + picture.tiles, 0);
    picture_free(&picture);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("moves");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_stream_whose_server_is_lost_gives_the_very_same_image, 0, 12);
    tcase_add_test(tests, a_stream_of_a_range_of_tasks_stays_within_it);
    tcase_add_test(tests, without_retries_it_is_not_moved);
    tcase_add_test(tests, a_short_cut_moves_nothing);
    tcase_add_test(tests, a_stream_that_another_client_cancels_is_not_begun_anew);
    tcase_add_test(tests, a_stream_that_is_cancelled_while_its_connection_is_lost_is_not_begun_anew);
    tcase_add_loop_test(tests, a_whole_stream_is_run_with_callbacks, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_callback_that_has_enough_ends_the_stream_and_its_run, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_that_cannot_be_opened_calls_nobody, 0, TRANSPORTS);
    return suite_run("moves", tests);
}
