/* A server that stops while its clients go on asking, as fast as they can and without waiting for answers. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "served.h"
#include "suite.h"

#define CLIENTS 3
#define ROUNDS 8

/* One client's calls: health checks without a pause, runs, and streams that nobody reads. */
struct asker {
    struct callers callers;
    tilery_client *client;
    pthread_t thread;
    atomic_uint runs;
    atomic_bool over;
};

static void *ask(void *arg)
{
    const struct tilery_compute_request small = served_request(64, 64, 8, 8, 2), endless = served_endless();
    struct asker *asker = arg;

    while (!atomic_load(&asker->over)) {
        const struct tilery_call_options options = {.timeout_ms = 20};
        tilery_result *result;
        tilery_stream *stream;

        if (tilery_compute(asker->client, &small, &options, &result, NULL) == TILERY_OK)
            tilery_result_free(result);
        if (tilery_stream_open(asker->client, &endless, &options, &stream, NULL) == TILERY_OK)
            (void)tilery_stream_drop(stream);
        atomic_fetch_add(&asker->runs, 1);
    }
    return NULL;
}

static void start(struct asker *asker)
{
    const struct tilery_client_options options = served_client_options(served.url, 500);

    check_status(tilery_client_open(&options, &asker->client, &served.error), TILERY_OK);
    served_wait_healthy(asker->client);
    callers_start(&asker->callers, asker->client);
    atomic_init(&asker->runs, 0);
    atomic_init(&asker->over, false);
    ck_assert_int_eq(pthread_create(&asker->thread, NULL, ask, asker), 0);
    while (atomic_load(&asker->runs) < 3)
        sched_yield();
}

static void end(struct asker *asker)
{
    callers_wait(&asker->callers);
    atomic_store(&asker->over, true);
    pthread_join(asker->thread, NULL);
    tilery_client_close(asker->client);
}

START_TEST(a_server_stops_however_much_it_is_asked)
{
    static struct asker askers[CLIENTS];
    char url[64];

    (void)snprintf(url, sizeof url, "ipc:///tmp/tilery-stop-%ld.ipc", (long)getpid());
    for (int round = 0; round < ROUNDS; round++) {
        if (_i == TRANSPORTS)
            served_start_at(url, 2, 4);
        else
            served_start(_i, 2, 4);
        for (int i = 0; i < CLIENTS; i++)
            start(&askers[i]);
        served_halt();
        for (int i = 0; i < CLIENTS; i++)
            end(&askers[i]);
        served_end();
    }
    (void)unlink(&url[6]);
    (void)snprintf(url, sizeof url, "/tmp/tilery-stop-%ld.ipc.lock", (long)getpid());
    (void)unlink(url);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stop");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_server_stops_however_much_it_is_asked, 0, TRANSPORTS + 1);
    return suite_run("stop", tests);
}
