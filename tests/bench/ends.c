#include "ends.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

/* Until so many threads compute, and so many runs wait for one. */
static void wait_for_both(tilery_client *client, uint64_t threads, uint64_t queued)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    struct tilery_stats *stats;
    struct tilery_error error;
    bool there;

    for (;;) {
        check(tilery_stats(client, NULL, &stats, &error), &error);
        there = stats->threads_computing == threads && stats->runs_queued == queued;
        tilery_stats_free(stats);
        if (there)
            return;
        nanosleep(&pause, NULL);
    }
}

static void wait_for(tilery_client *client, uint64_t threads)
{
    wait_for_both(client, threads, 0);
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

/* What it took, of each round; frees the sample. */
static void report(const char *name, struct sample *ms, json_t *out)
{
    double median = sample_percentile(ms, 0.5), p90 = sample_percentile(ms, 0.9),
           most = sample_percentile(ms, 1);

    printf("%-45s %10.2f %8.2f %8.2f\n", name, median, p90, most);
    json_array_append_new(out,
                          json_pack("{s:s, s:f, s:f}", "end", name, "median_ms", median, "most_ms", most));
    sample_free(ms);
}

static void head(const char *what)
{
    printf("\n%-45s %10s %8s %8s\n", what, "ms: median", "p90", "most");
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

    head("a run that ends early, tcp");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct sample ms = {.count = 0};

        for (unsigned round = 0; round < rounds; round++)
            sample_add(&ms, ways[i].end(server, client));
        report(ways[i].name, &ms, out);
    }
    tilery_client_close(client);
}

/* ---- Clients of a bridge ---- */

static int ask_bridge(const char *url)
{
    static const char request[] =
        "GET /api/compute/sequential?width=4096&height=4096&tile_w=4096&tile_h=4096&max_iter=65535"
        "&kernel=scalar&region=-0.1,-0.1,0.2,0.2&time_limit_ms=600000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        write(fd, request, sizeof request - 1) != sizeof request - 1) {
        perror(url);
        exit(1);
    }
    return fd;
}

/* All of them at once: of what is to be computed for them, threads at a time are, and the rest waits. */
static double by_leaving_bridge(const char *bridge, unsigned clients, unsigned threads, tilery_client *client)
{
    int fds[ENDS_MOST_CLIENTS];
    uint64_t begin;

    for (unsigned i = 0; i < clients; i++)
        fds[i] = ask_bridge(bridge);
    if (threads > clients)
        threads = clients;
    wait_for_both(client, threads, clients - threads);
    begin = clock_now_ns();
    for (unsigned i = 0; i < clients; i++)
        close(fds[i]);
    wait_for(client, 0);
    return ms_since(begin);
}

void ends_bench_bridge(const struct child *server, const struct child *bridge,
                       const struct settings *settings, json_t *out)
{
    static const unsigned counts[] = {1, ENDS_THREADS, ENDS_MOST_CLIENTS};
    unsigned rounds = ROUNDS_A_RUN * settings->runs;
    tilery_client *client = open_client(server->url);
    char name[64];

    head("clients that leave: until no thread is busy");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct sample ms = {.count = 0};

        for (unsigned round = 0; round < rounds; round++)
            sample_add(&ms, by_leaving_bridge(bridge->url, counts[i], ENDS_THREADS, client));
        (void)snprintf(name, sizeof name, "%u client%s", counts[i], counts[i] > 1 ? "s" : "");
        report(name, &ms, out);
    }
    tilery_client_close(client);
}
