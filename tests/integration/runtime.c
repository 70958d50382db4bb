#include "runtime.h"

#include <check.h>

#include "served.h"

#include "server.pb-c.h"

struct runtime runtime;

static void note_gone(void *arg, uint32_t connection)
{
    (void)arg;
    (void)connection;
    (void)sem_post(&runtime.gone);
}

void runtime_start(int transport, rpc_handler *handler, rpc_end_fn *on_end)
{
    static rpc_handler *handlers[1];
    static const struct rpc_service service = {&tilery__v1__health__descriptor, handlers};
    struct rpc_server_options options = RPC_SERVER_DEFAULTS;
    struct wire_error error;
    char url[256];

    handlers[0] = handler;
    options.contexts = RUNTIME_CONTEXTS;
    options.on_end = on_end;
    options.on_gone = note_gone;
    options.send_timeout_ms = RUNTIME_PATIENCE_MS;
    atomic_store(&runtime.held, 0);
    ck_assert_int_eq(sem_init(&runtime.one_held, 0, 0), 0);
    ck_assert_int_eq(sem_init(&runtime.gone, 0, 0), 0);
    ck_assert_int_eq(rpc_server_create(&options, &service, 1, NULL, &runtime.server, &error), WIRE_OK);
    ck_assert_int_eq(rpc_server_listen(runtime.server,
                                       transport == TCP ? "tcp://127.0.0.1:0" : "inproc://runtime", url,
                                       &error),
                     WIRE_OK);
    for (size_t i = 0; i < RUNTIME_CONTEXTS; i++)
        raw_open(&runtime.clients[i], url);
}

void runtime_end(void)
{
    for (size_t i = 0; i < RUNTIME_CONTEXTS; i++)
        raw_close(&runtime.clients[i]);
    rpc_server_free(runtime.server);
    (void)sem_destroy(&runtime.one_held);
    (void)sem_destroy(&runtime.gone);
}

void runtime_ask(struct raw *client)
{
    const struct wire_request head = {.method = "tilery.v1.Health/Check", .request_id = ""};
    const Tilery__V1__HealthCheckRequest check = TILERY__V1__HEALTH_CHECK_REQUEST__INIT;

    raw_send(client, &head, &check.base);
}

void runtime_expect_answer(struct raw *client)
{
    ck_assert_int_eq(raw_receive(client, &tilery__v1__health_check_reply__descriptor), WIRE_OK);
}

static void not_over(void *arg, enum wire_status why)
{
    (void)arg;
    (void)why;
}

void runtime_hold(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    unsigned place = atomic_fetch_add(&runtime.held, 1);

    (void)request;
    (void)context;
    runtime.calls[place] = call;
    rpc_call_defer(call, not_over, NULL);
    (void)sem_post(&runtime.one_held);
}

void runtime_answer(struct rpc_call *call)
{
    const Tilery__V1__HealthCheckReply reply = TILERY__V1__HEALTH_CHECK_REPLY__INIT;

    rpc_call_reply(call, &reply.base);
}

void runtime_wait(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}
