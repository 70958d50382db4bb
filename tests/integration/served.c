#include "served.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "wire/address.h"

#define CALLERS 12u
#define CERTIFICATE(name) TILERY_CERTIFICATES "/" name

struct served served;

static const char *const urls[WITH_TLS] = {
    [INPROC] = "inproc://tilery-test", [TCP] = "tcp://127.0.0.1:0", [TLS] = "tls+tcp://127.0.0.1:0"};

static void start_server(const char *url)
{
    struct daemon_options options = DAEMON_DEFAULTS;
    struct wire_error error = {.message = ""};
    enum wire_status status;

    options.listen = &url;
    options.listen_count = 1;
    options.max_threads = served.max_threads;
    options.max_queue = served.max_queue;
    options.token_file = served.token_file;
    if (wire_address_is_tls(url))
        options.tls = (struct wire_tls){
            .ca = CERTIFICATE("ca.crt"), .cert = CERTIFICATE("server.crt"), .key = CERTIFICATE("server.key")};
    status = daemon_start(&options, &served.daemon, &error);
    ck_assert_msg(status == WIRE_OK, "%s", error.message);
}

void served_start(int transport, uint32_t max_threads, uint32_t max_queue)
{
    served_start_at(urls[transport], max_threads, max_queue);
}

void served_start_at(const char *url, uint32_t max_threads, uint32_t max_queue)
{
    served.max_threads = max_threads;
    served.max_queue = max_queue;
    start_server(url);
    (void)snprintf(served.url, sizeof served.url, "%s", daemon_url(served.daemon, 0));
    served.client = served_connect(served.url);
}

void served_halt(void)
{
    daemon_stop(served.daemon);
    served.daemon = NULL;
}

void served_again(void)
{
    start_server(served.url);
    ck_assert_str_eq(daemon_url(served.daemon, 0), served.url);
}

/*
 * nng clears connections away in the background, in order, and a process that ends meanwhile looks as if it
 * leaked: one more connection comes and goes after them.
 */
static void let_nng_settle(void)
{
    nng_socket listening, dialling;

    ck_assert_int_eq(nng_pair0_open(&listening), 0);
    ck_assert_int_eq(nng_pair0_open(&dialling), 0);
    ck_assert_int_eq(nng_listen(listening, "inproc://tilery-settled", NULL, 0), 0);
    ck_assert_int_eq(nng_dial(dialling, "inproc://tilery-settled", NULL, 0), 0);
    nng_close(dialling);
    nng_close(listening);
}

void served_disconnect(void)
{
    tilery_client_close(served.client);
    served.client = NULL;
}

void served_end(void)
{
    served_disconnect();
    daemon_stop(served.daemon);
    let_nng_settle();
    let_nng_settle();
    memset(&served, 0, sizeof served);
}

struct tilery_client_options served_client_options(const char *url, uint64_t connect_timeout_ms)
{
    struct tilery_client_options options = {.server = url, .connect_timeout_ms = connect_timeout_ms};

    if (wire_address_is_tls(url)) {
        options.tls_ca = CERTIFICATE("ca.crt");
        options.tls_cert = CERTIFICATE("client.crt");
        options.tls_key = CERTIFICATE("client.key");
        options.tls_server_name = "localhost";
    }
    return options;
}

static tilery_client *connect_to(const char *url, unsigned max_attempts)
{
    struct tilery_client_options options = served_client_options(url, 60000);
    tilery_client *client;

    options.max_attempts = max_attempts;
    check_status(tilery_client_open(&options, &client, &served.error), TILERY_OK);
    return client;
}

void served_pause(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

tilery_client *served_connect(const char *url)
{
    return connect_to(url, 0);
}

tilery_client *served_connect_once(const char *url)
{
    return connect_to(url, 1);
}

struct tilery_compute_request served_request(uint32_t width, uint32_t height, uint32_t tile_w,
                                             uint32_t tile_h, uint32_t num_threads)
{
    struct tilery_compute_request request;

    tilery_compute_request_init(&request);
    request.width = width;
    request.height = height;
    request.tile_w = tile_w;
    request.tile_h = tile_h;
    request.num_threads = num_threads;
    request.max_iter = 100;
    request.time_limit_ms = 600000;
    return request;
}

struct tilery_compute_request served_endless(void)
{
    struct tilery_compute_request request = served_request(4096, 4096, 4096, 4096, 1);

    request.region = (struct tilery_region){-0.2, -0.1, 0.2, 0.2};
    request.max_iter = 65535;
    request.kernel = "scalar";
    return request;
}

enum tilery_status served_compute(tilery_client *client, const struct tilery_compute_request *request,
                                  uint64_t timeout_ms, const char *request_id)
{
    const struct tilery_call_options options = {.timeout_ms = timeout_ms, .request_id = request_id};
    tilery_result *result;
    enum tilery_status status = tilery_compute(client, request, &options, &result, &served.error);

    ck_assert((result != NULL) == (status == TILERY_OK));
    ck_assert(status == TILERY_OK || served.error.status == status);
    tilery_result_free(result);
    return status;
}

void served_check_free(uint32_t threads)
{
    const struct tilery_compute_request all = served_request(64, 64, 8, 8, threads);

    check_status(served_compute(served.client, &all, 8000, NULL), TILERY_OK);
}

struct tilery_stats served_stats(void)
{
    struct tilery_stats *stats, seen;

    check_status(tilery_stats(served.client, NULL, &stats, &served.error), TILERY_OK);
    seen = *stats;
    tilery_stats_free(stats);
    return seen;
}

uint64_t served_streams(void)
{
    return served_stats().streams;
}

tilery_stream *served_stream(const struct tilery_compute_request *request, const char *request_id)
{
    const struct tilery_call_options options = {.request_id = request_id};
    tilery_stream *stream;

    check_status(tilery_stream_open(served.client, request, &options, &stream, &served.error), TILERY_OK);
    return stream;
}

/* First come, first served: where a small request runs out of time, another is at work before it. */
void served_wait_busy(tilery_client *client)
{
    const struct tilery_compute_request small = served_request(1, 1, 1, 1, 1);
    enum tilery_status status;

    do
        status = served_compute(client, &small, 100, NULL);
    while (status == TILERY_OK);
    check_status(status, TILERY_DEADLINE_EXCEEDED);
}

void served_cancel(tilery_client *client, const char *request_id)
{
    bool found;

    for (;;) {
        check_status(tilery_cancel(client, request_id, NULL, &found, &served.error), TILERY_OK);
        if (found)
            return;
        sched_yield();
    }
}

void served_wait_healthy(tilery_client *client)
{
    enum tilery_status status;

    while ((status = tilery_health(client, NULL, &served.error)) == TILERY_UNAVAILABLE)
        sched_yield();
    check_status(status, TILERY_OK);
}

static void call_again(void *arg, const struct tilery_error *error)
{
    struct callers *callers = arg;
    bool lost = error != NULL && strcmp(error->message, "the server is shutting down") != 0;

    atomic_fetch_add(&callers->called, 1);
    if (lost || tilery_health_async(callers->client, NULL, call_again, callers, NULL) != TILERY_OK)
        atomic_fetch_sub(&callers->calling, 1);
}

void callers_start(struct callers *callers, tilery_client *client)
{
    callers->client = client;
    atomic_init(&callers->calling, CALLERS);
    atomic_init(&callers->called, 0);
    for (unsigned i = 0; i < CALLERS; i++)
        check_status(tilery_health_async(client, NULL, call_again, callers, &served.error), TILERY_OK);
    while (atomic_load(&callers->called) < 20 * CALLERS)
        sched_yield();
}

void callers_wait(struct callers *callers)
{
    while (atomic_load(&callers->calling) != 0)
        sched_yield();
}

void ending_init(struct ending *ending)
{
    memset(ending, 0, sizeof *ending);
    sem_init(&ending->over, 0, 0);
}

static void note(void *arg, tilery_result *result, const struct tilery_error *error)
{
    struct ending *ending = arg;

    ck_assert((result == NULL) == (error != NULL));
    atomic_fetch_add(&ending->times, 1);
    ending->status = error != NULL ? error->status : TILERY_OK;
    ending->pixels = result != NULL ? tilery_result_summary(result).pixels : 0;
    tilery_result_free(result);
    sem_post(&ending->over);
}

void ending_of(struct ending *ending, tilery_client *client, const struct tilery_compute_request *request,
               uint64_t timeout_ms, const char *request_id)
{
    const struct tilery_call_options options = {.timeout_ms = timeout_ms, .request_id = request_id};

    ending_init(ending);
    check_status(tilery_compute_async(client, request, &options, note, ending, &served.error), TILERY_OK);
}

enum tilery_status ending_wait(struct ending *ending)
{
    while (sem_wait(&ending->over) != 0)
        continue;
    return ending->status;
}
