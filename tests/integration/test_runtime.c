/* The server runtime alone, with handlers of the test's own. */
#include <semaphore.h>
#include <string.h>

#include "raw.h"
#include "rpc/call.h"
#include "rpc/server.h"
#include "served.h"
#include "suite.h"
#include "wire/clock.h"

#include "server.pb-c.h"

/* More than wait for requests at once. */
#define CONTEXTS 40

static struct rpc_server *server;
static struct raw clients[CONTEXTS];
static atomic_uint held;
static struct rpc_call *calls[CONTEXTS];
static sem_t all_held;

static void start(int transport, rpc_handler *handler, rpc_end_fn *on_end)
{
    static rpc_handler *handlers[1];
    static const struct rpc_service service = {&tilery__v1__health__descriptor, handlers};
    struct rpc_server_options options = RPC_SERVER_DEFAULTS;
    struct wire_error error;
    char url[256];

    handlers[0] = handler;
    options.contexts = CONTEXTS;
    options.on_end = on_end;
    ck_assert_int_eq(rpc_server_create(&options, &service, 1, NULL, &server, &error), WIRE_OK);
    ck_assert_int_eq(
        rpc_server_listen(server, transport == TCP ? "tcp://127.0.0.1:0" : "inproc://runtime", url, &error),
        WIRE_OK);
    for (size_t i = 0; i < CONTEXTS; i++)
        raw_open(&clients[i], url);
}

static void end(void)
{
    for (size_t i = 0; i < CONTEXTS; i++)
        raw_close(&clients[i]);
    rpc_server_free(server);
}

static void ask(struct raw *client)
{
    const struct wire_request head = {.method = "tilery.v1.Health/Check", .request_id = ""};
    const Tilery__V1__HealthCheckRequest check = TILERY__V1__HEALTH_CHECK_REQUEST__INIT;

    raw_send(client, &head, &check.base);
}

static void expect_answer(struct raw *client)
{
    ck_assert_int_eq(raw_receive(client, &tilery__v1__health_check_reply__descriptor), WIRE_OK);
}

static void answer(struct rpc_call *call)
{
    const Tilery__V1__HealthCheckReply reply = TILERY__V1__HEALTH_CHECK_REPLY__INIT;

    rpc_call_reply(call, &reply.base);
}

static void not_over(void *arg, enum wire_status why)
{
    (void)arg;
    (void)why;
}

static void hold(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    unsigned place = atomic_fetch_add(&held, 1);

    (void)request;
    (void)context;
    calls[place] = call;
    rpc_call_defer(call, not_over, NULL);
    (void)sem_post(&all_held);
}

/* First of those that never had a request, then of those that had one. */
START_TEST(every_context_gets_a_request_while_the_others_have_one)
{
    ck_assert_int_eq(sem_init(&all_held, 0, 0), 0);
    start(_i, hold, NULL);
    for (int round = 0; round < 3; round++) {
        atomic_store(&held, 0);
        for (size_t i = 0; i < CONTEXTS; i++)
            ask(&clients[i]);
        for (size_t i = 0; i < CONTEXTS; i++)
            while (sem_wait(&all_held) != 0)
                continue;
        for (size_t i = 0; i < CONTEXTS; i++)
            answer(calls[i]);
        for (size_t i = 0; i < CONTEXTS; i++)
            expect_answer(&clients[i]);
    }
    end();
    (void)sem_destroy(&all_held);
}
END_TEST

static uint64_t began_ns, packed_ns;
static atomic_uint_fast64_t total_ns;

/* A reply without a field. */
static void pack_slowly(void *arg, uint8_t *out)
{
    (void)arg;
    (void)out;
    while ((packed_ns = wire_now_ns()) <= began_ns + 1000000)
        continue;
}

static void answer_slowly(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    (void)request;
    (void)context;
    began_ns = wire_now_ns();
    rpc_call_reply_packed(call, 0, pack_slowly, NULL);
}

static void note_total(void *arg, const struct rpc_ended *ended)
{
    (void)arg;
    atomic_store(&total_ns, ended->total_ns);
}

START_TEST(a_call_takes_until_its_reply_is_packed)
{
    start(_i, answer_slowly, note_total);
    ask(&clients[0]);
    expect_answer(&clients[0]);
    ck_assert_uint_ge(atomic_load(&total_ns), packed_ns - began_ns);
    end();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("runtime");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_context_gets_a_request_while_the_others_have_one, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_call_takes_until_its_reply_is_packed, 0, TRANSPORTS);
    return suite_run("runtime", tests);
}
