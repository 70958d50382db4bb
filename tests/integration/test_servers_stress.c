/* Many threads share a client of two servers, one of which is stopped and started again all the time. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "served.h"
#include "suite.h"

#define CALLERS 6
#define ROUNDS 5
#define TIMEOUT_MS 60000
#define ASYNC_AT_ONCE 8

struct caller {
    pthread_t thread;
    tilery_client *client;
    const char *urls;
    atomic_bool *over;
    unsigned calls; /* that ended well */
};

/* One server stays, so that every call comes to its end. */
static void compute_often(struct caller *caller)
{
    const struct tilery_compute_request request = served_request(64, 64, 16, 16, 2);
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tilery_error error;
    tilery_result *result;

    ck_assert_msg(tilery_compute(caller->client, &request, &options, &result, &error) == TILERY_OK, "%s",
                  error.message);
    ck_assert_uint_eq(tilery_result_summary(result).pixels, 64 * 64);
    tilery_result_free(result);
}

static void start_many(struct caller *caller)
{
    const struct tilery_compute_request request = served_request(32, 32, 16, 16, 1);
    struct ending endings[ASYNC_AT_ONCE];

    for (size_t i = 0; i < ASYNC_AT_ONCE; i++)
        ending_of(&endings[i], caller->client, &request, TIMEOUT_MS, NULL);
    for (size_t i = 0; i < ASYNC_AT_ONCE; i++) {
        ck_assert_int_eq(ending_wait(&endings[i]), TILERY_OK);
        ck_assert_uint_eq(endings[i].pixels, 32 * 32);
    }
}

static bool count_tile(void *arg, const struct tilery_tile *tile)
{
    *(uint64_t *)arg += (uint64_t)tile->columns * tile->rows;
    return true;
}

static void read_stream(struct caller *caller)
{
    const struct tilery_compute_request request = served_request(512, 512, 64, 64, 2);
    struct tilery_error error;
    uint64_t pixels = 0;
    enum tilery_status status =
        tilery_stream_run(caller->client, &request, NULL, count_tile, NULL, &pixels, &error);

    ck_assert_msg(status == TILERY_OK, "%s", error.message);
    ck_assert_uint_eq(pixels, 512 * 512);
}

static void ask_and_cancel(struct caller *caller)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tilery_info *info;
    bool found;

    (void)!tilery_health(caller->client, &options, NULL); /* it may be the one that stops */
    if (tilery_info(caller->client, &options, &info, NULL) == TILERY_OK)
        tilery_info_free(info);
    (void)!tilery_cancel(caller->client, "nobody's", &options, &found, NULL);
}

/* A client of its own that is closed with calls in hand. */
static void open_and_close(struct caller *caller)
{
    const struct tilery_client_options options = {.server = caller->urls};
    const struct tilery_compute_request endless = served_endless();
    struct ending endings[ASYNC_AT_ONCE];
    tilery_client *client;

    ck_assert_int_eq(tilery_client_open(&options, &client, NULL), TILERY_OK);
    for (size_t i = 0; i < ASYNC_AT_ONCE; i++)
        ending_of(&endings[i], client, &endless, TIMEOUT_MS, NULL);
    tilery_client_close(client);
    for (size_t i = 0; i < ASYNC_AT_ONCE; i++)
        ck_assert_uint_eq(atomic_load(&endings[i].times), 1);
}

static void (*const kinds[])(struct caller *) = {compute_often, start_many,     read_stream,
                                                 compute_often, ask_and_cancel, open_and_close};

static void *call_on(void *arg)
{
    struct caller *caller = arg;

    do
        kinds[caller->calls++ % (sizeof kinds / sizeof *kinds)](caller);
    while (!atomic_load(caller->over));
    return NULL;
}

static struct daemon *start_daemon(const char *url)
{
    struct daemon_options options = DAEMON_DEFAULTS;
    struct wire_error error = {.message = ""};
    struct daemon *daemon;

    options.listen = &url;
    options.listen_count = 1;
    options.max_threads = 16;
    options.max_queue = 512;
    ck_assert_msg(daemon_start(&options, &daemon, &error) == WIRE_OK, "%s", error.message);
    return daemon;
}

START_TEST(calls_come_to_their_end_whatever_becomes_of_a_server)
{
    static struct caller callers[CALLERS];
    struct daemon *other = start_daemon("tcp://127.0.0.1:0");
    struct tilery_client_options options = {.connect_timeout_ms = 60000};
    static atomic_bool over;
    char url[256], urls[600];

    served_start(TCP, 16, 512);
    (void)snprintf(url, sizeof url, "%s", daemon_url(other, 0));
    (void)snprintf(urls, sizeof urls, "%s,%s", url, served.url);
    options.server = urls;
    tilery_client_close(served.client);
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] =
            (struct caller){.client = served.client, .urls = urls, .over = &over, .calls = (unsigned)i};
        ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_on, &callers[i]), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        const struct tilery_compute_request some = served_request(512, 512, 64, 64, 2);

        for (int i = 0; i < 20; i++) /* long enough for the others to be in the middle of things */
            check_status(served_compute(served.client, &some, TIMEOUT_MS, NULL), TILERY_OK);
        daemon_stop(other);
        other = start_daemon(url);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    daemon_stop(other);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("servers stress");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, calls_come_to_their_end_whatever_becomes_of_a_server);
    return suite_run("servers stress", tests);
}
