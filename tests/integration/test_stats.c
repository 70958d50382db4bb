/* What a server says of its work, and of its services' health. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fake.h"
#include "raw.h"
#include "served.h"
#include "suite.h"

#define COMPUTE "tilery.v1.TileCompute/Compute"

static struct tilery_stats *stats;

static void look(void)
{
    tilery_stats_free(stats);
    check_status(tilery_stats(served.client, NULL, &stats, &served.error), TILERY_OK);
}

static void tear_down(void)
{
    tilery_stats_free(stats);
    stats = NULL;
    served_end();
}

/* Of the last look. */
static const struct tilery_method_stats *method(const char *name)
{
    for (size_t i = 0; i < stats->method_count; i++)
        if (strcmp(stats->methods[i].method, name) == 0)
            return &stats->methods[i];
    ck_abort_msg("no statistics of %s", name);
}

static uint64_t calls(const char *name, enum tilery_status code)
{
    const struct tilery_method_stats *of = method(name);

    for (size_t i = 0; i < of->code_count; i++)
        if (of->codes[i].code == code)
            return of->codes[i].count;
    return 0;
}

/* Looks until exactly so many threads compute, and so many calls are in hand: the look before may still be on
 * its way out. */
static void wait_computing(uint64_t threads, uint64_t calls_in_hand)
{
    do
        look();
    while (stats->threads_computing != threads || stats->calls != calls_in_hand);
}

/* As many tiles as threads, many minutes' work each. */
static struct tilery_compute_request endless_on(uint32_t threads)
{
    struct tilery_compute_request request = served_endless();

    request.num_threads = threads;
    request.tile_h = 4096 / threads;
    return request;
}

START_TEST(as_many_threads_compute_as_runs_have_and_none_after_their_cancel)
{
    const struct tilery_compute_request request = endless_on(2);
    static struct ending first, second;

    served_start(_i, 8, 8);
    look();
    ck_assert_uint_eq(stats->threads_computing + stats->threads_held + stats->runs_running, 0);
    ck_assert_uint_eq(stats->threads_limit, 8);
    ck_assert_uint_ge(stats->cpus, 1);
    ending_of(&first, served.client, &request, 0, "first");
    wait_computing(2, 2);
    ending_of(&second, served.client, &request, 0, "second");
    wait_computing(4, 3);
    ck_assert_uint_eq(stats->threads_held, 4);
    ck_assert_uint_eq(stats->runs_running, 2);
    served_cancel(served.client, "first");
    ck_assert_int_eq(ending_wait(&first), TILERY_CANCELLED);
    look();
    ck_assert_uint_eq(stats->threads_computing, 2);
    served_cancel(served.client, "second");
    ck_assert_int_eq(ending_wait(&second), TILERY_CANCELLED);
    look();
    ck_assert_uint_eq(stats->threads_computing + stats->threads_held + stats->runs_running, 0);
    ck_assert_uint_eq(stats->cancelled, 2);
    ck_assert_uint_eq(calls(COMPUTE, TILERY_CANCELLED), 2);
}
END_TEST

START_TEST(a_run_that_waits_is_queued_and_one_whose_time_was_up_by_then_is_dropped)
{
    const struct tilery_compute_request endless = served_endless();
    static struct ending running, queued;

    served_start(_i, 1, 8);
    ending_of(&running, served.client, &endless, 0, "running");
    wait_computing(1, 2);
    ending_of(&queued, served.client, &endless, 0, "queued");
    do
        look();
    while (stats->runs_queued != 1);
    check_status(served_compute(served.client, &endless, 20, NULL), TILERY_DEADLINE_EXCEEDED);
    do
        look();
    while (stats->dropped_expired == 0);
    served_cancel(served.client, "queued");
    ck_assert_int_eq(ending_wait(&queued), TILERY_CANCELLED);
    served_cancel(served.client, "running");
    ck_assert_int_eq(ending_wait(&running), TILERY_CANCELLED);
    look();
    ck_assert_uint_eq(stats->dropped_expired, 1);
    ck_assert_uint_eq(stats->runs_queued, 0);
    ck_assert_uint_eq(method(COMPUTE)->queue.count, 3);
    ck_assert_uint_eq(method(COMPUTE)->run.count, 1);
}
END_TEST

START_TEST(a_stream_s_threads_do_not_compute_while_they_wait_for_its_reader)
{
    const struct tilery_compute_request request = served_request(4096, 4096, 256, 256, 2);
    tilery_stream *stream;

    served_start(_i, 8, 8);
    stream = served_stream(&request, NULL);
    do
        look();
    while (stats->threads_held != 2 || stats->threads_computing != 0);
    ck_assert_uint_eq(stats->streams, 1);
    ck_assert_uint_ge(stats->window_bytes, UINT64_C(1) << 20);
    tilery_stream_close(stream);
    do
        look();
    while (method("tilery.v1.TileCompute/OpenStream")->run.count != 1); /* counted last */
    ck_assert_uint_eq(stats->runs_running, 0);
    ck_assert_uint_eq(stats->streams + stats->window_bytes + stats->threads_held, 0);
    ck_assert_uint_eq(stats->cancelled, 1);
}
END_TEST

/* As a caller who does not know the schema. */
static void call_unknown_method(const char *name)
{
    const struct wire_request head = {.method = name, .request_id = ""};
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    struct raw raw;

    raw_open(&raw, served.url);
    raw_send(&raw, &head, &request.base);
    ck_assert_int_eq(raw_receive(&raw, &tilery__v1__cancel_reply__descriptor), WIRE_UNIMPLEMENTED);
    raw_close(&raw);
}

START_TEST(the_counters_add_up)
{
    struct tilery_compute_request request = served_request(100, 70, 32, 32, 2);

    served_start(_i, 8, 8);
    for (int i = 0; i < 3; i++)
        check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK);
    request.width = 0;
    check_status(served_compute(served.client, &request, 0, NULL), TILERY_INVALID_ARGUMENT);
    call_unknown_method("tilery.v1.TileCompute/Nothing");
    call_unknown_method("");
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    look();
    ck_assert_uint_eq(calls(COMPUTE, TILERY_OK), 3);
    ck_assert_uint_eq(calls(COMPUTE, TILERY_INVALID_ARGUMENT), 1);
    ck_assert_uint_eq(calls("unknown", TILERY_UNIMPLEMENTED), 2);
    ck_assert_uint_eq(calls("tilery.v1.Health/Check", TILERY_OK), 1);
    ck_assert_uint_eq(calls("tilery.v1.Server/Stats", TILERY_OK), 0);
    ck_assert_uint_eq(method(COMPUTE)->total.count, 4);
    ck_assert_uint_eq(method(COMPUTE)->queue.count, 3);
    ck_assert_uint_eq(method(COMPUTE)->run.count, 3);
    ck_assert_uint_ge(method(COMPUTE)->total.sum_ns,
                      method(COMPUTE)->run.sum_ns + method(COMPUTE)->queue.sum_ns);
    ck_assert_uint_eq(stats->tiles, 3 * 12);
    ck_assert_uint_eq(stats->records, 3 * 12);
    ck_assert_uint_eq(stats->pixels, 3 * 7000);
    ck_assert_uint_ge(stats->iterations, stats->pixels);
    ck_assert_uint_gt(stats->bytes_sent, stats->bytes_received);
    ck_assert_uint_gt(stats->bytes_received, 7);
    look();
    ck_assert_uint_eq(calls("tilery.v1.Server/Stats", TILERY_OK), 1);
}
END_TEST

START_TEST(the_bounds_of_the_buckets_ascend_from_10_us_to_100_s)
{
    served_start(_i, 8, 8);
    look();
    ck_assert_uint_eq(stats->bounds_ns[0], 10000);
    ck_assert_uint_eq(stats->bounds_ns[stats->bound_count - 1], UINT64_C(100000000000));
    for (size_t i = 1; i < stats->bound_count; i++)
        ck_assert_uint_gt(stats->bounds_ns[i], stats->bounds_ns[i - 1]);
    ck_assert(!stats->draining);
    ck_assert_uint_eq(stats->connections, 1);
    ck_assert_uint_eq(stats->calls, 1);
    ck_assert_uint_gt(stats->uptime_ns, 0);
}
END_TEST

static const char *const services[] = {"", "tilery.v1.TileCompute", "tilery.v1.Health", "tilery.v1.Server"};

static void check_health(enum tilery_status wanted)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        check_status(tilery_health_service(served.client, services[i], NULL, &served.error), wanted);
}

static void *drain(void *arg)
{
    daemon_drain(arg, 600000);
    return NULL;
}

START_TEST(every_service_serves_until_the_server_drains)
{
    const struct tilery_compute_request endless = served_endless();
    static struct ending running;
    pthread_t thread;

    served_start(_i, 1, 8);
    check_health(TILERY_OK);
    check_status(tilery_health_service(served.client, "tilery.v1.Tile", NULL, &served.error),
                 TILERY_NOT_FOUND);
    ending_of(&running, served.client, &endless, 0, "running");
    wait_computing(1, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, drain, served.daemon), 0);
    do
        look();
    while (!stats->draining);
    check_health(TILERY_UNAVAILABLE);
    check_status(tilery_health_service(served.client, "tilery.v1.Tile", NULL, &served.error),
                 TILERY_NOT_FOUND);
    served_cancel(served.client, "running");
    ck_assert_int_eq(ending_wait(&running), TILERY_CANCELLED);
    pthread_join(thread, NULL);
}
END_TEST

/* Of all servers at once. */
struct collected {
    sem_t over;
    tilery_stats_list *list;
};

static void collect(void *arg, tilery_stats_list *list)
{
    struct collected *collected = arg;

    collected->list = list;
    sem_post(&collected->over);
}

static void ask_all(tilery_client *client, struct collected *collected)
{
    sem_init(&collected->over, 0, 0);
    check_status(tilery_stats_all_async(client, NULL, collect, collected, &served.error), TILERY_OK);
}

static struct fake_answer refuse(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)request;
    (void)number;
    return (struct fake_answer){.status = WIRE_PERMISSION_DENIED, .message = "not for you"};
}

static struct fake_answer say_nothing(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)request;
    (void)number;
    return (struct fake_answer){.silent = true};
}

/* A client of the server, of the fake and of a port where nobody listens. */
static tilery_client *connect_three(const struct fake *fake)
{
    struct tilery_client_options options = {.connect_timeout_ms = 60000};
    tilery_client *client;
    char urls[512];

    (void)snprintf(urls, sizeof urls, "%s,%s,tcp://127.0.0.1:1", served.url, fake_url(fake));
    options.server = urls;
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_OK);
    return client;
}

START_TEST(every_server_is_asked_and_those_that_fail_spoil_nothing)
{
    struct fake *fake = fake_start("tilery.v1.Server/Stats", refuse, NULL);
    struct collected collected;
    tilery_client *client;

    served_start(TCP, 8, 8);
    client = connect_three(fake);
    ask_all(client, &collected);
    sem_wait(&collected.over);
    tilery_client_close(client);
    ck_assert_uint_eq(tilery_stats_list_count(collected.list), 3);
    ck_assert_str_eq(tilery_stats_list_at(collected.list, 0)->server, served.url);
    ck_assert_uint_eq(tilery_stats_list_at(collected.list, 0)->stats->threads_limit, 8);
    ck_assert_str_eq(tilery_stats_list_at(collected.list, 1)->server, fake_url(fake));
    ck_assert_ptr_null(tilery_stats_list_at(collected.list, 1)->stats);
    ck_assert_int_eq(tilery_stats_list_at(collected.list, 1)->error.status, TILERY_PERMISSION_DENIED);
    ck_assert_str_eq(tilery_stats_list_at(collected.list, 1)->error.message, "not for you");
    ck_assert_ptr_null(tilery_stats_list_at(collected.list, 2)->stats);
    ck_assert_int_eq(tilery_stats_list_at(collected.list, 2)->error.status, TILERY_UNAVAILABLE);
    tilery_stats_list_free(collected.list);
    fake_stop(fake);
}
END_TEST

static void count_unasked(void *arg, const struct tilery_attempt *attempt)
{
    if (attempt->number != 0)
        return;
    ck_assert_str_eq(attempt->method, "tilery.v1.Server/Stats");
    ck_assert_str_eq(attempt->server, "inproc://nobody");
    ck_assert_int_eq(attempt->status, TILERY_UNAVAILABLE);
    atomic_fetch_add((atomic_uint *)arg, 1);
}

/* The first time it may wait for the connections; the second time it knows that one is not there. */
START_TEST(one_that_cannot_be_asked_is_told_of_as_an_attempt)
{
    static atomic_uint told;
    struct tilery_client_options options = {.on_attempt = count_unasked, .on_attempt_arg = &told};
    struct collected collected;
    char urls[512];

    served_start(TCP, 8, 8);
    (void)snprintf(urls, sizeof urls, "%s,inproc://nobody", served.url);
    options.server = urls;
    served_disconnect();
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    for (unsigned i = 1; i <= 2; i++) {
        ask_all(served.client, &collected);
        sem_wait(&collected.over);
        tilery_stats_list_free(collected.list);
        ck_assert_uint_eq(atomic_load(&told), i);
    }
}
END_TEST

START_TEST(closing_the_client_ends_the_question)
{
    struct fake *fake = fake_start("tilery.v1.Server/Stats", say_nothing, NULL);
    struct collected collected;
    tilery_client *client;

    served_start(TCP, 8, 8);
    client = connect_three(fake);
    ask_all(client, &collected);
    fake_wait(fake, 1);
    tilery_client_close(client);
    ck_assert_int_eq(sem_trywait(&collected.over), 0);
    ck_assert_int_eq(tilery_stats_list_at(collected.list, 1)->error.status, TILERY_CANCELLED);
    tilery_stats_list_free(collected.list);
    fake_stop(fake);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stats");

    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, as_many_threads_compute_as_runs_have_and_none_after_their_cancel, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_run_that_waits_is_queued_and_one_whose_time_was_up_by_then_is_dropped, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_s_threads_do_not_compute_while_they_wait_for_its_reader, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, the_counters_add_up, 0, TRANSPORTS);
    tcase_add_loop_test(tests, the_bounds_of_the_buckets_ascend_from_10_us_to_100_s, 0, TRANSPORTS);
    tcase_add_loop_test(tests, every_service_serves_until_the_server_drains, 0, TRANSPORTS);
    tcase_add_test(tests, every_server_is_asked_and_those_that_fail_spoil_nothing);
    tcase_add_test(tests, one_that_cannot_be_asked_is_told_of_as_an_attempt);
    tcase_add_test(tests, closing_the_client_ends_the_question);
    return suite_run("stats", tests);
}
