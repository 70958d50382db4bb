/* Streams that nobody waits for: dropped at any time, left by their client, failed. */
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "fake.h"
#include "loop.h"
#include "proxy.h"
#include "served.h"
#include "suite.h"

#include "compute.pb-c.h"

/* 8 MiB of counts, many batches and several windows. */
static struct tilery_compute_request long_request(void)
{
    struct tilery_compute_request request = served_request(2048, 2048, 128, 128, 2);

    request.max_iter = 20;
    return request;
}

static void wait_forgotten(const char *id)
{
    bool found;

    do
        check_status(tilery_cancel(served.client, id, NULL, &found, &served.error), TILERY_OK);
    while (found);
}

/* ---- Dropping ---- */

START_TEST(dropping_a_stream_that_waits_ends_its_run_and_calls_nobody)
{
    const struct tilery_compute_request endless = served_endless();
    struct reader working, queued;
    struct loop loop;

    served_start(_i, 1, 8);
    loop_start(&loop);
    reader_open(&working, &loop, served.client, &endless,
                &(struct tilery_call_options){.request_id = "working"});
    reader_open(&queued, &loop, served.client, &endless,
                &(struct tilery_call_options){.request_id = "queued"});
    ck_assert(!reader_read(&working, 1) && !reader_read(&queued, 1));
    reader_ask(&working);
    reader_ask(&queued);
    ck_assert(tilery_stream_drop(queued.stream));
    ck_assert(tilery_stream_drop(working.stream));
    queued.stream = working.stream = NULL;
    wait_forgotten("working");
    wait_forgotten("queued");
    served_check_free(1);
    tilery_client_close(served.client);
    served.client = NULL;
    ck_assert_uint_eq(reader_calls(&working) + reader_calls(&queued), 0);
    reader_end(&working);
    reader_end(&queued);
    loop_end(&loop);
}
END_TEST

/* Not one of them is left, though all are told of at once. */
START_TEST(a_client_that_is_closed_first_ends_the_runs_of_dropped_streams)
{
    struct tilery_compute_request endless = served_endless();
    struct reader readers[30];
    struct loop loop;

    endless.width = endless.height = endless.tile_w = endless.tile_h = 2048; /* windows for all of them */
    served_start(_i, 1, 64);
    loop_start(&loop);
    for (size_t i = 0; i < 30; i++)
        reader_open(&readers[i], &loop, served.client, &endless, NULL);
    for (size_t i = 0; i < 30; i++) {
        (void)tilery_stream_drop(readers[i].stream);
        readers[i].stream = NULL;
    }
    tilery_client_close(served.client);
    served.client = served_connect(served.url);
    served_check_free(1);
    for (size_t i = 0; i < 30; i++)
        reader_end(&readers[i]);
    loop_end(&loop);
}
END_TEST

static const unsigned read_before[] = {0, 1, 100};

START_TEST(dropping_a_stream_half_way_ends_its_run)
{
    const struct tilery_compute_request request = long_request();
    struct reader reader;
    struct loop loop;

    served_start(_i % TRANSPORTS, 2, 8);
    loop_start(&loop);
    reader_open(&reader, &loop, served.client, &request,
                &(struct tilery_call_options){.request_id = "half-way"});
    reader_wait(&reader);
    while (reader.picture.tiles < read_before[_i / TRANSPORTS])
        if (!reader_read(&reader, 1))
            reader_wait(&reader);
    ck_assert(!tilery_stream_drop(reader.stream));
    reader.stream = NULL;
    wait_forgotten("half-way");
    served_check_free(2);
    reader_end(&reader);
    loop_end(&loop);
}
END_TEST

/* Nothing answers any more, and the streams pause, ask again, or look for another server. */
START_TEST(streams_whose_server_is_gone_are_dropped_at_any_time)
{
    const struct tilery_compute_request request = long_request();
    struct reader readers[32];
    struct proxy *proxy;
    tilery_client *client;
    struct loop loop;

    served_start(TCP, 4, 64);
    loop_start(&loop);
    proxy = proxy_start(served.url, PROXY_WHEN_TOLD);
    client = served_connect(proxy_url(proxy));
    for (size_t i = 0; i < 32; i++)
        reader_start(&readers[i], &loop, client, &request, NULL);
    for (size_t i = 0; i < 32; i++)
        ck_assert_ptr_nonnull(loop_take(&loop)->stream);
    proxy_stop(proxy);
    for (size_t i = 0; i < 32; i++) {
        (void)reader_read(&readers[i], UINT_MAX);
        if (i % 2 == 0 && !readers[i].over)
            reader_ask(&readers[i]);
        if (i % 4 < 2)
            served_wait_healthy(served.client); /* a little later */
        (void)tilery_stream_drop(readers[i].stream);
    }
    tilery_client_close(client);
    for (size_t i = 0; i < 32; i++) {
        readers[i].stream = NULL;
        reader_end(&readers[i]);
    }
    loop_end(&loop);
}
END_TEST

/* A server that ends the stream unasked, and opens it anew when it is let. */
struct mover {
    sem_t moving, let;
    atomic_uint opened, polls, cancels;
};

static struct fake_answer open_one_tile(struct mover *mover)
{
    if (atomic_fetch_add(&mover->opened, 1) == 1) {
        sem_post(&mover->moving);
        while (sem_wait(&mover->let) != 0)
            continue;
    }
    return fake_opened(NULL, 1, 10000);
}

static struct fake_answer lose_stream(void *arg, const struct wire_request *request, unsigned number)
{
    struct mover *mover = arg;

    (void)number;
    if (strstr(request->method, "OpenStream") != NULL)
        return open_one_tile(mover);
    if (strstr(request->method, "Cancel") != NULL)
        atomic_fetch_add(&mover->cancels, 1);
    else if (atomic_fetch_add(&mover->polls, 1) == 0)
        return (struct fake_answer){.status = WIRE_UNAVAILABLE, .message = "the server is shutting down"};
    else
        return (struct fake_answer){.status = WIRE_NOT_FOUND, .message = "there is no such stream"};
    return (struct fake_answer){.status = WIRE_OK};
}

START_TEST(a_stream_that_is_dropped_while_it_moves_is_cancelled_where_it_went)
{
    const struct tilery_compute_request request = served_request(4, 4, 4, 4, 1);
    struct mover mover = {.opened = 0};
    struct fake *fake = fake_start(NULL, lose_stream, &mover);
    struct reader reader;
    struct loop loop;

    sem_init(&mover.moving, 0, 0);
    sem_init(&mover.let, 0, 0);
    loop_start(&loop);
    served.client = served_connect(fake_url(fake));
    reader_open(&reader, &loop, served.client, &request, NULL);
    reader_ask(&reader);
    while (sem_wait(&mover.moving) != 0)
        continue;
    ck_assert(tilery_stream_drop(reader.stream));
    sem_post(&mover.let);
    while (_i == 0 && atomic_load(&mover.cancels) == 0)
        sched_yield();
    tilery_client_close(served.client);
    served.client = NULL;
    ck_assert_uint_eq(reader_calls(&reader), 0);
    ck_assert_uint_eq(atomic_load(&mover.opened), 2);
    reader.stream = NULL;
    reader_end(&reader);
    fake_stop(fake);
    loop_end(&loop);
}
END_TEST

/* ---- Cancelling ---- */

/* A server that ends nothing, and goes on saying that there is nothing yet. */
static struct fake_answer end_nothing(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)number;
    if (strstr(request->method, "OpenStream") != NULL)
        return fake_opened(NULL, 1, 10000);
    return (struct fake_answer){.silent = strstr(request->method, "/Compute") != NULL};
}

START_TEST(what_a_server_does_not_end_when_it_is_cancelled_ends_without_it)
{
    const struct tilery_compute_request request = served_request(4, 4, 4, 4, 1);
    const struct tilery_call_options named = {.request_id = "stream"};
    struct fake *fake = fake_start(NULL, end_nothing, NULL);
    static struct ending call;
    struct reader reader;
    struct loop loop;
    bool found;

    loop_start(&loop);
    served.client = served_connect(fake_url(fake));
    ending_of(&call, served.client, &request, 0, "call");
    reader_open(&reader, &loop, served.client, &request, &named);
    reader_ask(&reader);
    check_status(tilery_cancel(served.client, "stream", NULL, &found, &served.error), TILERY_OK);
    ck_assert(!found);
    check_status(tilery_cancel(served.client, "call", NULL, &found, &served.error), TILERY_OK);
    ck_assert(!found); /* asked again and again, until it was over */
    ck_assert_int_eq(ending_wait(&call), TILERY_CANCELLED);
    ck_assert_ptr_eq(loop_take(&loop), &reader);
    while (!reader_read(&reader, 1)) /* a reply without tiles, before it was asked for, calls too */
        reader_wait(&reader);
    ck_assert_int_eq(reader.status, TILERY_CANCELLED);
    reader_end(&reader);
    served_disconnect();
    fake_stop(fake);
    loop_end(&loop);
}
END_TEST

/* ---- Ends ---- */

START_TEST(a_client_that_is_closed_ends_its_streams_which_are_dropped_afterwards)
{
    const struct tilery_compute_request requests[] = {long_request(), served_endless()};
    struct reader readers[12];
    struct loop loop;

    served_start(_i, 4, 64);
    loop_start(&loop);
    for (size_t i = 0; i < 12; i++)
        reader_open(&readers[i], &loop, served.client, &requests[i % 2], NULL);
    for (size_t i = 0; i < 8; i++)
        reader_ask(&readers[i]);
    for (size_t i = 10; i < 12; i++) {
        (void)tilery_stream_drop(readers[i].stream);
        readers[i].stream = NULL;
    }
    tilery_client_close(served.client);
    served.client = NULL;
    for (size_t i = 0; i < 8; i++)
        (void)loop_take(&loop);
    for (size_t i = 0; i < 10; i++) {
        while (!reader_read(&readers[i], UINT_MAX))
            reader_wait(&readers[i]);
        ck_assert_int_eq(readers[i].status, TILERY_CANCELLED);
        if (i % 3 == 0) {
            tilery_stream_close(readers[i].stream);
            readers[i].stream = NULL;
        }
    }
    for (size_t i = 0; i < 12; i++)
        reader_end(&readers[i]);
    loop_end(&loop);
}
END_TEST

START_TEST(a_client_that_is_closed_ends_openings)
{
    const struct tilery_compute_request request = served_request(8, 8, 8, 8, 1);
    struct reader readers[16];
    struct loop loop;

    served_start(_i, 1, 64);
    loop_start(&loop);
    for (size_t i = 0; i < 16; i++)
        reader_start(&readers[i], &loop, served.client, &request, NULL);
    tilery_client_close(served.client);
    served.client = NULL;
    for (size_t i = 0; i < 16; i++) {
        const struct reader *reader = loop_take(&loop);

        ck_assert(reader->stream != NULL || reader->status == TILERY_CANCELLED);
    }
    for (size_t i = 0; i < 16; i++)
        reader_end(&readers[i]);
    loop_end(&loop);
}
END_TEST

START_TEST(an_opening_that_fails_says_why_once)
{
    struct tilery_compute_request request = served_request(64, 64, 8, 8, 1);
    struct tilery_call_options options = {.request_id = "0123456789abcdef0123456789abcdef"
                                                        "0123456789abcdef0123456789abcdef0"};
    struct reader reader;
    struct loop loop;

    served_start(_i, 8, 8);
    loop_start(&loop);
    check_status(tilery_stream_open_async(served.client, &request, &options, NULL, NULL, &served.error),
                 TILERY_INVALID_ARGUMENT);
    request.max_iter = 0;
    reader_start(&reader, &loop, served.client, &request, NULL);
    ck_assert_ptr_eq(loop_take(&loop), &reader);
    ck_assert_ptr_null(reader.stream);
    ck_assert_int_eq(reader.status, TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(reader.error.message, "max_iter is 0; it must be from 1 to 65535");
    reader_end(&reader);
    loop_end(&loop);
}
END_TEST

START_TEST(where_nobody_listens_an_opening_fails_at_once)
{
    const struct tilery_compute_request request = served_request(8, 8, 8, 8, 1);

    served.client = served_connect("inproc://nobody");
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_UNAVAILABLE);
    check_status(tilery_stream_open_async(served.client, &request, NULL, NULL, NULL, &served.error),
                 TILERY_UNAVAILABLE);
}
END_TEST

START_TEST(a_stream_s_time_is_up_while_nobody_waits)
{
    const struct tilery_compute_request endless = served_endless();
    const struct tilery_call_options options = {.timeout_ms = 300};
    struct reader reader;
    struct loop loop;

    served_start(_i, 1, 8);
    loop_start(&loop);
    reader_start(&reader, &loop, served.client, &endless, &options);
    loop_run(&loop, 1);
    ck_assert_int_eq(reader.status, TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(reader_calls(&reader), 1);
    reader_end(&reader);
    served_check_free(1);
    loop_end(&loop);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("async ends");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, dropping_a_stream_that_waits_ends_its_run_and_calls_nobody, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_client_that_is_closed_first_ends_the_runs_of_dropped_streams, 0, TRANSPORTS);
    tcase_add_loop_test(tests, dropping_a_stream_half_way_ends_its_run, 0, 3 * TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_that_is_dropped_while_it_moves_is_cancelled_where_it_went, 0, 2);
    tcase_add_test(tests, streams_whose_server_is_gone_are_dropped_at_any_time);
    tcase_add_test(tests, what_a_server_does_not_end_when_it_is_cancelled_ends_without_it);
    tcase_add_loop_test(tests, a_client_that_is_closed_ends_its_streams_which_are_dropped_afterwards, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_client_that_is_closed_ends_openings, 0, TRANSPORTS);
    tcase_add_loop_test(tests, an_opening_that_fails_says_why_once, 0, TRANSPORTS);
    tcase_add_test(tests, where_nobody_listens_an_opening_fails_at_once);
    tcase_add_loop_test(tests, a_stream_s_time_is_up_while_nobody_waits, 0, TRANSPORTS);
    return suite_run("async ends", tests);
}
