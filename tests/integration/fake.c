#include "fake.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "wire/arena.h"
#include "wire/limits.h"

#include "compute.pb-c.h"
#include "server.pb-c.h"

#define CHECK "tilery.v1.Health/Check"
#define PATIENCE_MS 20

struct fake {
    const char *method;
    fake_answer_fn *answer;
    void *arg;
    nng_socket socket;
    char *url;
    pthread_t thread;
    atomic_bool ending;
    atomic_uint requests, checks, connections;
};

static struct fake_answer healthy(void)
{
    static Tilery__V1__HealthCheckReply reply = TILERY__V1__HEALTH_CHECK_REPLY__INIT;

    reply.has_status = 1;
    reply.status = TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__SERVING;
    return (struct fake_answer){.payload = &reply.base};
}

static struct fake_answer answer_to(struct fake *fake, const struct wire_request *request)
{
    bool is_check = strcmp(request->method, CHECK) == 0;

    if (fake->method != NULL ? strcmp(request->method, fake->method) == 0 : !is_check)
        return fake->answer(fake->arg, request, atomic_fetch_add(&fake->requests, 1) + 1);
    if (!is_check)
        return (struct fake_answer){.status = WIRE_UNIMPLEMENTED, .message = "a fake does not do this"};
    atomic_fetch_add(&fake->checks, 1);
    return healthy();
}

static void reply(const struct fake *fake, const struct fake_answer *answer)
{
    const struct wire_reply head = {.status = answer->status,
                                    .message = answer->message != NULL ? answer->message : "",
                                    .retry_after_ms = answer->retry_after_ms};
    size_t size = answer->payload != NULL ? protobuf_c_message_get_packed_size(answer->payload) : 0;
    nng_msg *msg;
    uint8_t *place;

    ck_assert_int_eq(nng_msg_alloc(&msg, wire_reply_size(&head, size)), 0);
    place = wire_reply_pack(&head, size, nng_msg_body(msg));
    if (answer->payload != NULL)
        (void)protobuf_c_message_pack(answer->payload, place);
    if (nng_sendmsg(fake->socket, msg, 0) != 0)
        nng_msg_free(msg);
}

static void take(struct fake *fake, nng_msg *msg)
{
    nng_pipe pipe = nng_msg_get_pipe(msg);
    struct wire_request request;
    struct fake_answer answer;
    struct wire_arena arena;
    struct wire_error error;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    ck_assert_int_eq(wire_request_unpack(&arena, nng_msg_body(msg), nng_msg_len(msg), &request, &error),
                     WIRE_OK);
    nng_msg_free(msg);
    answer = answer_to(fake, &request);
    if (answer.cut)
        nng_pipe_close(pipe);
    else if (!answer.silent)
        reply(fake, &answer);
    wire_arena_fini(&arena);
}

static void *serve(void *arg)
{
    struct fake *fake = arg;

    while (!atomic_load(&fake->ending)) {
        nng_msg *msg;

        if (nng_recvmsg(fake->socket, &msg, 0) == 0)
            take(fake, msg);
    }
    return NULL;
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct fake *fake = arg;

    (void)pipe;
    (void)event;
    atomic_fetch_add(&fake->connections, 1);
}

struct fake *fake_start_at(const char *url, const char *method, fake_answer_fn *answer, void *arg)
{
    struct fake *fake = calloc(1, sizeof *fake);
    nng_listener listener;

    ck_assert_ptr_nonnull(fake);
    fake->method = method;
    fake->answer = answer;
    fake->arg = arg;
    ck_assert_int_eq(nng_rep0_open(&fake->socket), 0);
    ck_assert_int_eq(nng_socket_set_ms(fake->socket, NNG_OPT_RECVTIMEO, PATIENCE_MS), 0);
    ck_assert_int_eq(nng_pipe_notify(fake->socket, NNG_PIPE_EV_ADD_POST, on_pipe, fake), 0);
    ck_assert_int_eq(nng_listen(fake->socket, url, &listener, 0), 0);
    ck_assert_int_eq(nng_listener_get_string(listener, NNG_OPT_URL, &fake->url), 0);
    ck_assert_int_eq(pthread_create(&fake->thread, NULL, serve, fake), 0);
    return fake;
}

struct fake *fake_start(const char *method, fake_answer_fn *answer, void *arg)
{
    return fake_start_at("tcp://127.0.0.1:0", method, answer, arg);
}

void fake_stop(struct fake *fake)
{
    atomic_store(&fake->ending, true);
    pthread_join(fake->thread, NULL);
    nng_close(fake->socket);
    nng_strfree(fake->url);
    free(fake);
}

const char *fake_url(const struct fake *fake)
{
    return fake->url;
}

unsigned fake_requests(const struct fake *fake)
{
    return atomic_load(&fake->requests);
}

unsigned fake_checks(const struct fake *fake)
{
    return atomic_load(&fake->checks);
}

unsigned fake_connections(const struct fake *fake)
{
    return atomic_load(&fake->connections);
}

void fake_wait(const struct fake *fake, unsigned requests)
{
    while (fake_requests(fake) < requests)
        sched_yield();
}

struct fake_answer fake_opened(const char *id, uint64_t tiles_planned, uint64_t lease_ms)
{
    static Tilery__V1__OpenStreamReply reply;

    tilery__v1__open_stream_reply__init(&reply);
    reply.stream_id = (char *)(uintptr_t)(id != NULL ? id : "stream");
    reply.has_tiles_planned = reply.has_lease_ms = 1;
    reply.tiles_planned = tiles_planned;
    reply.lease_ms = lease_ms;
    return (struct fake_answer){.payload = &reply.base};
}

struct fake_answer fake_tiles(uint64_t cursor, unsigned count, uint64_t tiles_planned)
{
    static Tilery__V1__NextTilesReply reply;
    static Tilery__V1__TileUpdate tile, *tiles[] = {&tile};
    static uint8_t counts[32];

    tilery__v1__next_tiles_reply__init(&reply);
    tilery__v1__tile_update__init(&tile);
    tile.has_task_id = tile.has_tile_x = tile.has_tile_w = tile.has_tile_h = 1;
    tile.has_columns = tile.has_rows = tile.has_data = 1;
    tile.task_id = (uint32_t)cursor;
    tile.tile_x = 4 * tile.task_id;
    tile.tile_w = tile.tile_h = tile.columns = tile.rows = 4;
    tile.data.data = counts;
    tile.data.len = sizeof counts;
    reply.tiles = tiles;
    reply.n_tiles = count;
    reply.has_next_cursor = reply.has_done = 1;
    reply.next_cursor = cursor + count;
    reply.done = reply.next_cursor == tiles_planned;
    return (struct fake_answer){.payload = &reply.base};
}
