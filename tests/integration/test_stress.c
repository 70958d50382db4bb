/*
 * Everything at once: calls that end by themselves, by Cancel and by their time, streams read in part,
 * connections that come and go in mid-message or do not read, and a server that drains amid all that.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "served.h"
#include "suite.h"
#include "wire/envelope.h"

#include "compute.pb-c.h"

#define ROUNDS 3
#define LOOPS 15u /* of each worker, before the server drains and again after */
#define IDS 4u
#define HANDSHAKE "\0SP\0\0\x30\0\0"

struct worker {
    void (*act)(struct worker *worker);
    pthread_t thread;
    uint64_t random;
    atomic_uint loops;
};

static atomic_bool over;
static atomic_uint faults;

static uint32_t choose(struct worker *worker, uint32_t count)
{
    worker->random = worker->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(worker->random >> 33) % count;
}

/* How calls may end here. */
static void expect(const char *what, enum tilery_status status, const struct tilery_error *error)
{
    switch (status) {
    case TILERY_OK:
    case TILERY_CANCELLED:
    case TILERY_DEADLINE_EXCEEDED:
    case TILERY_NOT_FOUND:
    case TILERY_ALREADY_EXISTS:
    case TILERY_RESOURCE_EXHAUSTED:
    case TILERY_UNAVAILABLE:
        return;
    default:
        fprintf(stderr, "%s: %s: %s\n", what, tilery_status_name(status), error->message);
        atomic_fetch_add(&faults, 1);
    }
}

static struct tilery_compute_request any_request(struct worker *worker)
{
    return choose(worker, 2) != 0 ? served_endless() : served_request(64, 64, 8, 8, 2);
}

static void name_one(struct worker *worker, char id[16])
{
    (void)snprintf(id, 16, "id-%u", (unsigned)choose(worker, IDS));
}

static void compute(struct worker *worker)
{
    const struct tilery_compute_request request = any_request(worker);
    char id[16];
    const struct tilery_call_options options = {.timeout_ms = 1 + choose(worker, 30), .request_id = id};
    struct tilery_error error = {.message = ""};
    tilery_result *result;

    name_one(worker, id);
    expect("compute", tilery_compute(served.client, &request, &options, &result, &error), &error);
    tilery_result_free(result);
}

static void cancel(struct worker *worker)
{
    const struct tilery_call_options options = {.timeout_ms = 1000};
    struct tilery_error error = {.message = ""};
    char id[16];
    bool found;

    name_one(worker, id);
    expect("cancel", tilery_cancel(served.client, id, &options, &found, &error), &error);
}

static void stream(struct worker *worker)
{
    struct tilery_compute_request request = any_request(worker);
    const struct tilery_call_options options = {.timeout_ms = 1 + choose(worker, 50)};
    struct tilery_error error = {.message = ""};
    const struct tilery_tile *tile;
    enum tilery_status status;
    tilery_stream *opened;

    status = tilery_stream_open(served.client, &request, &options, &opened, &error);
    expect("open", status, &error);
    if (status != TILERY_OK)
        return;
    for (uint32_t left = choose(worker, 80); left != 0; left--) {
        status = tilery_stream_next(opened, &tile, &error);
        expect("next", status, &error);
        if (status != TILERY_OK || tile == NULL)
            break;
    }
    tilery_stream_close(opened);
}

/* nng's framing around a Compute; returns its size. */
static size_t make_message(struct worker *worker, uint8_t *out)
{
    const struct wire_request head = {.method = "tilery.v1.TileCompute/Compute", .request_id = ""};
    Tilery__V1__ComputeRequest request = TILERY__V1__COMPUTE_REQUEST__INIT;
    const uint32_t request_id = htobe32(0x80000001u);
    size_t payload, size;
    uint64_t length;

    request.has_width = request.has_height = request.has_tile_w = request.has_tile_h = 1;
    request.width = request.height = 512;
    request.tile_w = request.tile_h = choose(worker, 2) != 0 ? 512 : 4; /* one record, or 16,384 */
    payload = protobuf_c_message_get_packed_size(&request.base);
    size = wire_request_size(&head, payload);
    length = htobe64(size + 4);
    memcpy(out, &length, sizeof length);
    memcpy(&out[8], &request_id, sizeof request_id);
    (void)protobuf_c_message_pack(&request.base, wire_request_pack(&head, payload, &out[12]));
    return size + 12;
}

static int connect_raw(void)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned port;

    if (sscanf(served.url, "tcp://127.0.0.1:%u", &port) != 1)
        atomic_fetch_add(&faults, 1);
    server.sin_port = htons((uint16_t)port);
    (void)connect(fd, (const struct sockaddr *)&server, sizeof server); /* else nothing is sent */
    return fd;
}

/* Sends up to eight requests and leaves, anywhere within them or before, with or without a word. */
static void visit(struct worker *worker)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    uint8_t bytes[4096];
    size_t len = 8;
    int fd = connect_raw();

    memcpy(bytes, HANDSHAKE, 8);
    for (uint32_t left = choose(worker, 9); left != 0; left--)
        len += make_message(worker, &bytes[len]);
    if (choose(worker, 2) != 0)
        len = choose(worker, (uint32_t)len);
    (void)send(fd, bytes, len, MSG_NOSIGNAL);
    if (choose(worker, 2) != 0)
        (void)recv(fd, bytes, choose(worker, (uint32_t)sizeof bytes), MSG_DONTWAIT);
    if (choose(worker, 2) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    while (!atomic_load(&over)) {
        worker->act(worker);
        atomic_fetch_add(&worker->loops, 1);
    }
    return NULL;
}

static struct worker workers[] = {{.act = compute}, {.act = compute}, {.act = cancel}, {.act = stream},
                                  {.act = stream},  {.act = visit},   {.act = visit}};

#define WORKERS (sizeof workers / sizeof *workers)

static void wait_for_loops(void)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    unsigned from[WORKERS];

    for (size_t i = 0; i < WORKERS; i++)
        from[i] = atomic_load(&workers[i].loops);
    for (size_t i = 0; i < WORKERS; i++)
        while (atomic_load(&workers[i].loops) - from[i] < LOOPS)
            (void)nanosleep(&moment, NULL);
}

START_TEST(a_server_drains_and_ends_amid_calls_and_connections_of_every_kind)
{
    for (uint64_t round = 0; round < ROUNDS; round++) {
        served_start(TCP, 2, 4);
        atomic_store(&over, false);
        for (size_t i = 0; i < WORKERS; i++) {
            workers[i].random = round * WORKERS + i + 1;
            ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        wait_for_loops();
        daemon_drain(served.daemon, 20);
        wait_for_loops();
        atomic_store(&over, true);
        for (size_t i = 0; i < WORKERS; i++)
            pthread_join(workers[i].thread, NULL);
        served_end();
    }
    ck_assert_uint_eq(atomic_load(&faults), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stress");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_server_drains_and_ends_amid_calls_and_connections_of_every_kind);
    return suite_run("stress", tests);
}
