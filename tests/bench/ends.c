#include "ends.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/clock.h"
#include "sample.h"
#include "tilery/client.h"
#include "tilery/stats.h"

#define ROUNDS_A_RUN 10
#define DEADLINE_MS 50
#define LOOK_NS 200000

static void check(enum tilery_status status, const struct tilery_error *error)
{
    if (status == TILERY_OK)
        return;
    fprintf(stderr, "%s: %s\n", tilery_status_name(status), error->message);
    exit(1);
}

static tilery_client *open_client(const char *url)
{
    const struct tilery_client_options options = {.server = url};
    struct tilery_error error;
    tilery_client *client;

    check(tilery_client_open(&options, &client, &error), &error);
    return client;
}

static struct tilery_compute_request endless(void)
{
    struct tilery_compute_request request;

    tilery_compute_request_init(&request);
    request.width = request.height = request.tile_w = request.tile_h = 4096;
    request.max_iter = 65535;
    request.num_threads = 1;
    request.kernel = "scalar";
    request.region = (struct tilery_region){-0.1, -0.1, 0.2, 0.2};
    request.time_limit_ms = 600000;
    return request;
}

static double ms_since(uint64_t begin_ns)
{
    return (double)(clock_now_ns() - begin_ns) / 1e6;
}

static uint64_t computing(tilery_client *client)
{
    struct tilery_error error;
    struct tilery_stats *stats;
    uint64_t threads;

    check(tilery_stats(client, NULL, &stats, &error), &error);
    threads = stats->threads_computing;
    tilery_stats_free(stats);
    return threads;
}

/* Until so many threads compute. */
static void wait_for(tilery_client *client, uint64_t threads)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};

    while (computing(client) != threads)
        nanosleep(&pause, NULL);
}

/* ---- The ways to end ---- */

/* How long past its deadline the caller waits. */
static double by_deadline(tilery_client *client)
{
    const struct tilery_compute_request request = endless();
    const struct tilery_call_options options = {.timeout_ms = DEADLINE_MS};
    uint64_t begin = clock_now_ns();
    struct tilery_error error;
    tilery_result *result;

    if (tilery_compute(client, &request, &options, &result, &error) != TILERY_DEADLINE_EXCEEDED)
        check(TILERY_INTERNAL, &error);
    return ms_since(begin) - DEADLINE_MS;
}

static double by_deadline_at_server(const struct child *server, tilery_client *client)
{
    double ms = by_deadline(client);

    (void)server;
    wait_for(client, 0);
    return ms;
}

static double by_deadline_unanswered(const struct child *server, tilery_client *client)
{
    double ms;

    kill(server->pid, SIGSTOP);
    ms = by_deadline(client);
    kill(server->pid, SIGCONT);
    wait_for(client, 0);
    return ms;
}

static void *call(void *client)
{
    const struct tilery_compute_request request = endless();
    const struct tilery_call_options options = {.request_id = "endless"};
    struct tilery_error error;
    tilery_result *result;

    if (tilery_compute(client, &request, &options, &result, &error) != TILERY_CANCELLED)
        check(TILERY_INTERNAL, &error);
    return NULL;
}

static double by_cancel(const struct child *server, tilery_client *client)
{
    struct tilery_error error;
    pthread_t caller;
    uint64_t begin;
    bool found;
    double ms;

    (void)server;
    if (pthread_create(&caller, NULL, call, client) != 0)
        exit(1);
    wait_for(client, 1);
    begin = clock_now_ns();
    check(tilery_cancel(client, "endless", NULL, &found, &error), &error);
    wait_for(client, 0);
    ms = ms_since(begin);
    pthread_join(caller, NULL);
    return ms;
}

static double by_leaving(const struct child *server, tilery_client *client)
{
    char serve[sizeof "--serve=" ENDS_CALLER + sizeof server->url];
    const char *const argv[] = {"/proc/self/exe", serve, NULL};
    struct child caller;
    uint64_t begin;

    (void)snprintf(serve, sizeof serve, "--serve=" ENDS_CALLER "%s", server->url);
    child_start(&caller, argv);
    wait_for(client, 1);
    begin = clock_now_ns();
    child_stop(&caller);
    wait_for(client, 0);
    return ms_since(begin);
}

static void ignore(void *arg, tilery_result *result, const struct tilery_error *error)
{
    (void)arg;
    (void)error;
    tilery_result_free(result);
}

_Noreturn void ends_serve_caller(const char *url)
{
    const struct tilery_compute_request request = endless();
    struct tilery_error error;

    check(tilery_compute_async(open_client(url), &request, NULL, ignore, NULL, &error), &error);
    child_serve(url);
}

void ends_bench(const struct child *server, const struct settings *settings, json_t *out)
{
    static const struct {
        const char *name;
        double (*end)(const struct child *server, tilery_client *client);
    } ways[] = {{"past a deadline: the caller waits", by_deadline_at_server},
                {"the same, where the server stands still", by_deadline_unanswered},
                {"Cancel: until no thread is busy", by_cancel},
                {"a killed client: until no thread is busy", by_leaving}};
    unsigned rounds = ROUNDS_A_RUN * settings->runs;
    tilery_client *client = open_client(server->url);

    printf("\n%-45s %10s %8s %8s\n", "a run that ends early, tcp", "ms: median", "p90", "most");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct sample ms = {.count = 0};

        for (unsigned round = 0; round < rounds; round++)
            sample_add(&ms, ways[i].end(server, client));
        printf("%-45s %10.2f %8.2f %8.2f\n", ways[i].name, sample_percentile(&ms, 0.5),
               sample_percentile(&ms, 0.9), sample_percentile(&ms, 1));
        json_array_append_new(out,
                              json_pack("{s:s, s:f, s:f}", "end", ways[i].name, "median_ms",
                                        sample_percentile(&ms, 0.5), "most_ms", sample_percentile(&ms, 1)));
        sample_free(&ms);
    }
    tilery_client_close(client);
}
