/* Connections that are lost half-way: a stream goes on where it was, a call ends. */
#include "picture.h"
#include "proxy.h"
#include "served.h"
#include "suite.h"

#define CUTS 20

/* 1 MiB of counts a batch at most, so that there are many. */
static struct tilery_compute_request long_request(uint32_t side)
{
    struct tilery_compute_request request = served_request(side, side, 128, 128, 2);

    request.max_iter = 20;
    return request;
}

static tilery_stream *stream_through(tilery_client *client, const struct tilery_compute_request *request)
{
    tilery_stream *stream;

    check_status(tilery_stream_open(client, request, NULL, &stream, &served.error), TILERY_OK);
    return stream;
}

START_TEST(a_stream_whose_connection_is_cut_again_and_again_gives_the_very_same_image)
{
    const struct tilery_compute_request request = long_request(4096);
    struct picture picture = picture_of(&request);
    struct proxy *proxy;
    tilery_client *client;
    tilery_stream *stream;

    served_start(TCP, 4, 8);
    proxy = proxy_start(served.url, (enum proxy_cut)_i);
    client = served_connect(proxy_url(proxy));
    stream = stream_through(client, &request);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_tiles_received(stream), picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_summary(stream).tiles_done, picture.grid.tiles);
    ck_assert_uint_ge(proxy_count(proxy), 4);
    tilery_stream_close(stream);
    tilery_client_close(client);
    proxy_stop(proxy);
    picture_free(&picture);
}
END_TEST

START_TEST(a_stream_that_waits_for_its_first_tile_survives_a_cut)
{
    const struct tilery_compute_request endless = served_endless(),
                                        request = served_request(100, 70, 32, 32, 1);
    struct picture picture = picture_of(&request);
    tilery_stream *occupant, *stream;
    tilery_client *client;
    struct proxy *proxy;

    served_start(TCP, 1, 8);
    occupant = served_stream(&endless, NULL);
    proxy = proxy_start(served.url, PROXY_WHEN_TOLD);
    client = served_connect(proxy_url(proxy));
    stream = stream_through(client, &request);
    proxy_cut_now(proxy);
    tilery_stream_close(occupant);
    check_status(picture_read(&picture, stream), TILERY_OK);
    picture_check(&picture, 0, (uint32_t)picture.grid.tiles);
    tilery_stream_close(stream);
    tilery_client_close(client);
    proxy_stop(proxy);
    picture_free(&picture);
}
END_TEST

START_TEST(a_call_whose_connection_is_cut_is_unavailable_and_its_run_ends)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending lost, queued;
    struct proxy *proxy;
    tilery_client *client;

    served_start(TCP, 1, 8);
    proxy = proxy_start(served.url, PROXY_WHEN_TOLD);
    client = served_connect_once(proxy_url(proxy));
    check_status(tilery_health(client, NULL, &served.error), TILERY_OK);
    ending_of(&lost, client, &endless, 0, "lost");
    ending_of(&queued, client, &endless, 0, "queued");
    served_wait_busy(served.client);
    proxy_cut_now(proxy);
    ck_assert_int_eq(ending_wait(&lost), TILERY_UNAVAILABLE);
    ck_assert_int_eq(ending_wait(&queued), TILERY_UNAVAILABLE);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
    served_wait_healthy(client);
    check_status(served_compute(client, &small, 0, NULL), TILERY_OK);
    tilery_client_close(client);
    proxy_stop(proxy);
}
END_TEST

START_TEST(a_stream_whose_server_cannot_be_reached_any_more_ends_as_unavailable)
{
    const struct tilery_compute_request request = long_request(2048);
    const struct tilery_call_options options = {.timeout_ms = 1000};
    struct picture picture = picture_of(&request);
    enum tilery_status status;
    struct proxy *proxy;
    tilery_client *client;
    tilery_stream *stream;

    served_start(TCP, 4, 8);
    proxy = proxy_start(served.url, PROXY_WHEN_TOLD);
    client = served_connect(proxy_url(proxy));
    check_status(tilery_stream_open(client, &request, &options, &stream, &served.error), TILERY_OK);
    proxy_stop(proxy);
    status = picture_read(&picture, stream);
    ck_assert(status == TILERY_UNAVAILABLE || status == TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_lt(picture.tiles, picture.grid.tiles);
    tilery_stream_close(stream);
    check_status(tilery_health(client, NULL, &served.error), TILERY_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(served.error.message, ": the connection was lost"));
    tilery_client_close(client);
    picture_free(&picture);
}
END_TEST

/* nng before 1.6 dials no more without daemon/sendmsg.c. */
START_TEST(a_busy_client_is_connected_again_after_every_cut)
{
    static struct callers callers;
    struct tilery_client_options options = {.connect_timeout_ms = 500};
    struct proxy *proxy;
    tilery_client *client;

    served_start(TCP, 1, 8);
    proxy = proxy_start(served.url, PROXY_WHEN_TOLD);
    options.server = proxy_url(proxy);
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_OK);
    check_status(tilery_health(client, NULL, &served.error), TILERY_OK);
    for (int round = 0; round < CUTS; round++) {
        callers_start(&callers, client);
        proxy_cut_now(proxy);
        callers_wait(&callers);
        served_wait_healthy(client);
    }
    tilery_client_close(client);
    proxy_stop(proxy);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("reconnect");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_stream_whose_connection_is_cut_again_and_again_gives_the_very_same_image, 0,
                        PROXY_CUTS);
    tcase_add_test(tests, a_stream_that_waits_for_its_first_tile_survives_a_cut);
    tcase_add_test(tests, a_call_whose_connection_is_cut_is_unavailable_and_its_run_ends);
    tcase_add_test(tests, a_stream_whose_server_cannot_be_reached_any_more_ends_as_unavailable);
    tcase_add_test(tests, a_busy_client_is_connected_again_after_every_cut);
    return suite_run("reconnect", tests);
}
