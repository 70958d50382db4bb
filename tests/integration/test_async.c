/* Streams that nobody waits for: opened, read and dropped by callbacks, many at once. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop.h"
#include "proxy.h"
#include "served.h"
#include "suite.h"

#define MANY 500

/* Many batches and, of 2048 x 2048, two windows. */
static struct tilery_compute_request long_request(uint32_t side)
{
    struct tilery_compute_request request = served_request(side, side, 128, 128, 2);

    request.max_iter = 20;
    return request;
}

/* ---- Reading ---- */

START_TEST(a_stream_is_read_when_it_says_so)
{
    const struct tilery_compute_request request = long_request(2048);
    struct tilery_summary summary;
    struct reader reader;
    struct loop loop;

    served_start(_i, 8, 8);
    loop_start(&loop);
    reader_start(&reader, &loop, served.client, &request, NULL);
    loop_run(&loop, 1);
    reader_check(&reader);
    ck_assert(reader_read(&reader, 1) && reader.status == TILERY_OK);
    summary = tilery_stream_summary(reader.stream);
    ck_assert_uint_eq(summary.tiles_done, reader.picture.grid.tiles);
    reader_end(&reader);
    loop_end(&loop);
}
END_TEST

static void never(void *arg)
{
    (void)arg;
    ck_abort_msg("there was something to read already");
}

START_TEST(where_there_is_something_to_read_nobody_is_called)
{
    const struct tilery_compute_request request = served_request(64, 64, 8, 8, 2);
    struct reader reader;
    struct loop loop;

    served_start(_i, 8, 8);
    loop_start(&loop);
    reader_open(&reader, &loop, served.client, &request, NULL);
    while (!reader.over) {
        reader_wait(&reader);
        ck_assert(!tilery_stream_notify(reader.stream, never, NULL));
        ck_assert(reader_read(&reader, 1));
    }
    ck_assert(!tilery_stream_notify(reader.stream, never, NULL)); /* the end stays */
    reader_check(&reader);
    ck_assert(!tilery_stream_drop(reader.stream));
    reader.stream = NULL;
    reader_end(&reader);
    loop_end(&loop);
}
END_TEST

START_TEST(one_thread_reads_hundreds_of_streams_at_once)
{
    const struct tilery_client_options many = {.connect_timeout_ms = 60000, .max_attempts = 100};
    const struct tilery_compute_request request = served_request(40, 40, 8, 8, 2);
    struct reader *readers = calloc(MANY, sizeof *readers);
    struct tilery_client_options options = many;
    tilery_client *client;
    struct loop loop;

    ck_assert_ptr_nonnull(readers);
    served_start(_i, 8, 2 * MANY);
    loop_start(&loop);
    options.server = served.url;
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_OK);
    for (size_t i = 0; i < MANY; i++)
        reader_start(&readers[i], &loop, client, &request, NULL);
    loop_run(&loop, MANY);
    for (size_t i = 0; i < MANY; i++) {
        reader_check(&readers[i]);
        reader_end(&readers[i]);
    }
    tilery_client_close(client);
    loop_end(&loop);
    free(readers);
}
END_TEST

START_TEST(a_stream_whose_connection_is_cut_again_and_again_gives_the_very_same_image)
{
    const struct tilery_compute_request request = long_request(4096);
    struct proxy *proxy;
    tilery_client *client;
    struct reader reader;
    struct loop loop;

    served_start(TCP, 4, 8);
    loop_start(&loop);
    proxy = proxy_start(served.url, (enum proxy_cut)_i);
    client = served_connect(proxy_url(proxy));
    reader_start(&reader, &loop, client, &request, NULL);
    loop_run(&loop, 1);
    reader_check(&reader);
    ck_assert_uint_eq(tilery_stream_summary(reader.stream).tiles_done, reader.picture.grid.tiles);
    ck_assert_uint_ge(proxy_count(proxy), 4);
    reader_end(&reader);
    tilery_client_close(client);
    proxy_stop(proxy);
    loop_end(&loop);
}
END_TEST

START_TEST(a_server_started_again_in_mid_stream_computes_the_rest_anew)
{
    const struct tilery_compute_request request = long_request(2048);
    struct reader reader;
    struct loop loop;

    served_start(_i, 4, 8);
    loop_start(&loop);
    reader_open(&reader, &loop, served.client, &request, NULL);
    while (reader.picture.tiles < 10)
        if (!reader_read(&reader, 1))
            reader_wait(&reader);
    served_halt();
    served_again();
    reader_ask(&reader);
    loop_run(&loop, 1);
    reader_check(&reader);
    reader_end(&reader);
    loop_end(&loop);
}
END_TEST

/* ---- Within callbacks ---- */

/* Reads a whole stream on the library's threads, and drops it there. */
struct chain {
    struct ending ending;
    tilery_stream *stream;
    struct picture picture;
};

static void read_on(void *arg)
{
    struct chain *chain = arg;
    const struct tilery_tile *tile;
    struct tilery_error error;
    enum tilery_status status;
    bool ready;

    do {
        status = tilery_stream_try_next(chain->stream, &ready, &tile, &error);
        if (tile != NULL)
            picture_add(&chain->picture, tile);
        if (!ready && tilery_stream_notify(chain->stream, read_on, chain))
            return;
    } while (!ready || tile != NULL);
    ck_assert(!tilery_stream_drop(chain->stream));
    chain->ending.status = status;
    sem_post(&chain->ending.over);
}

static void read_from_the_start(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct chain *chain = arg;

    ck_assert_msg(stream != NULL, "%s", error->message);
    chain->stream = stream;
    read_on(chain);
}

START_TEST(streams_are_read_and_dropped_within_callbacks)
{
    const struct tilery_compute_request request =
        _i / TRANSPORTS != 0 ? served_request(64, 64, 8, 8, 2) : long_request(2048);
    static struct chain chains[4];

    served_start(_i % TRANSPORTS, 8, 8);
    for (size_t i = 0; i < 4; i++) {
        ending_init(&chains[i].ending);
        chains[i].picture = picture_of(&request);
        check_status(tilery_stream_open_async(served.client, &request, NULL, read_from_the_start, &chains[i],
                                              &served.error),
                     TILERY_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(ending_wait(&chains[i].ending), TILERY_OK);
        picture_check(&chains[i].picture, 0, (uint32_t)chains[i].picture.grid.tiles);
        picture_free(&chains[i].picture);
    }
    served_check_free(8);
}
END_TEST

static void drop_at_once(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct ending *ending = arg;

    ck_assert_msg(stream != NULL, "%s", error->message);
    ck_assert(!tilery_stream_drop(stream));
    sem_post(&ending->over);
}

START_TEST(a_stream_is_dropped_as_soon_as_it_is_open)
{
    const struct tilery_compute_request endless = served_endless();
    struct ending ending;

    served_start(_i, 1, 8);
    for (int i = 0; i < 20; i++) {
        ending_init(&ending);
        check_status(
            tilery_stream_open_async(served.client, &endless, NULL, drop_at_once, &ending, &served.error),
            TILERY_OK);
        ck_assert_int_eq(ending_wait(&ending), TILERY_OK);
    }
    served_check_free(1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("async");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_stream_is_read_when_it_says_so, 0, WITH_TLS);
    tcase_add_loop_test(tests, where_there_is_something_to_read_nobody_is_called, 0, TRANSPORTS);
    tcase_add_loop_test(tests, one_thread_reads_hundreds_of_streams_at_once, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_whose_connection_is_cut_again_and_again_gives_the_very_same_image, 0,
                        PROXY_CUTS);
    tcase_add_loop_test(tests, a_server_started_again_in_mid_stream_computes_the_rest_anew, 0, TRANSPORTS);
    tcase_add_loop_test(tests, streams_are_read_and_dropped_within_callbacks, 0, 2 * TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_is_dropped_as_soon_as_it_is_open, 0, TRANSPORTS);
    return suite_run("async", tests);
}
