/* The server runtime alone, with handlers of the test's own. */
#include <semaphore.h>
#include <string.h>

#include "raw.h"
#include "rpc/call.h"
#include "rpc/internal.h"
#include "rpc/server.h"
#include "served.h"
#include "suite.h"
#include "wire/clock.h"
#include "wire/socket.h"

#include "server.pb-c.h"

/* More than wait for requests at once. */
#define CONTEXTS 40
#define PATIENCE_MS 60000
/* More than is written at once. */
#define LARGE_BYTES (48u << 20)

uint64_t __real_wire_progress(nng_pipe pipe, int *hint);
uint64_t __wrap_wire_progress(nng_pipe pipe, int *hint);
void __real_nng_ctx_send(nng_ctx ctx, nng_aio *aio);
void __wrap_nng_ctx_send(nng_ctx ctx, nng_aio *aio);

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
    options.send_timeout_ms = PATIENCE_MS;
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

static void wait_held(void)
{
    while (sem_wait(&all_held) != 0)
        continue;
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
            wait_held();
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

static atomic_bool looking;
static sem_t looked, go_on;

/* How far a connection is, as the server asks while it holds no lock. */
uint64_t __wrap_wire_progress(nng_pipe pipe, int *hint)
{
    if (atomic_exchange(&looking, false)) {
        (void)sem_post(&looked);
        while (sem_wait(&go_on) != 0)
            continue;
    }
    return __real_wire_progress(pipe, hint);
}

static void pack_nothing(void *arg, uint8_t *out)
{
    (void)arg;
    memset(out, 0, LARGE_BYTES);
}

static void *stop(void *arg)
{
    rpc_server_stop(server, PATIENCE_MS);
    return arg;
}

static bool is_stopping(void)
{
    bool stopping;

    pthread_mutex_lock(&server->mutex);
    stopping = server->stopping;
    pthread_mutex_unlock(&server->mutex);
    return stopping;
}

/* The look began before there was anything to take. */
START_TEST(a_reply_that_begins_while_a_server_that_stops_looks_is_not_cut)
{
    pthread_t stopper;

    ck_assert_int_eq(sem_init(&all_held, 0, 0), 0);
    ck_assert_int_eq(sem_init(&looked, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    start(TCP, hold, NULL);
    atomic_store(&held, 0);
    atomic_store(&looking, true);
    ask(&clients[0]);
    wait_held();
    rpc_call_reply_packed(calls[0], LARGE_BYTES, pack_nothing, NULL);
    nng_aio_wait(clients[0].aio);
    nng_msg_free(nng_aio_get_msg(clients[0].aio));
    ask(&clients[0]);
    wait_held();
    while (sem_wait(&looked) != 0)
        continue;
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop, NULL), 0);
    while (!is_stopping())
        served_pause();
    rpc_call_reply_packed(calls[1], LARGE_BYTES, pack_nothing, NULL);
    (void)sem_post(&go_on);
    nng_aio_wait(clients[0].aio);
    ck_assert_int_eq(nng_aio_result(clients[0].aio), 0);
    nng_msg_free(nng_aio_get_msg(clients[0].aio));
    pthread_join(stopper, NULL);
    end();
}
END_TEST

static atomic_bool watching;
static atomic_uint sends;
static pthread_t sender;
static sem_t sending;

/* Of those that are watched, the first waits until it may go on. */
void __wrap_nng_ctx_send(nng_ctx ctx, nng_aio *aio)
{
    if (atomic_load(&watching)) {
        if (atomic_fetch_add(&sends, 1) == 0) {
            (void)sem_post(&sending);
            while (sem_wait(&go_on) != 0)
                continue;
        }
        ck_assert(pthread_equal(pthread_self(), sender));
    }
    __real_nng_ctx_send(ctx, aio);
}

static void *answer_first(void *arg)
{
    answer(calls[0]);
    return arg;
}

/* nng is being given the first reply, by a thread of its own, and the others' are to follow. */
static void start_giving(int transport)
{
    ck_assert_int_eq(sem_init(&all_held, 0, 0), 0);
    ck_assert_int_eq(sem_init(&sending, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    start(transport, hold, NULL);
    atomic_store(&held, 0);
    atomic_store(&sends, 0);
    for (size_t i = 0; i < CONTEXTS; i++) {
        ask(&clients[i]);
        wait_held();
    }
    atomic_store(&watching, true);
    ck_assert_int_eq(pthread_create(&sender, NULL, answer_first, NULL), 0);
    while (sem_wait(&sending) != 0)
        continue;
    for (size_t i = 1; i < CONTEXTS; i++)
        answer(calls[i]);
}

static void give_all(void)
{
    (void)sem_post(&go_on);
    pthread_join(sender, NULL);
    atomic_store(&watching, false);
}

START_TEST(a_thread_that_gives_nng_a_reply_gives_it_those_of_others_too)
{
    start_giving(_i);
    ck_assert_uint_eq(atomic_load(&sends), 1);
    give_all();
    ck_assert_uint_eq(atomic_load(&sends), CONTEXTS);
    for (size_t i = 0; i < CONTEXTS; i++)
        expect_answer(&clients[i]);
    end();
}
END_TEST

static unsigned crowded_looks(void)
{
    unsigned looks;

    pthread_mutex_lock(&server->mutex);
    looks = server->crowded_looks;
    pthread_mutex_unlock(&server->mutex);
    return looks;
}

/* A server whose contexts are nearly all in hand cuts whoever has replies to take and takes none. */
START_TEST(who_has_not_been_given_a_reply_is_not_cut_for_not_taking_it)
{
    start_giving(TCP);
    while (crowded_looks() < 6)
        served_pause();
    for (size_t i = 1; i < CONTEXTS; i++)
        ck_assert(!calls[i]->peer->hung_up);
    give_all();
    for (size_t i = 1; i < CONTEXTS; i++)
        expect_answer(&clients[i]);
    end();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("runtime");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_context_gets_a_request_while_the_others_have_one, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_call_takes_until_its_reply_is_packed, 0, TRANSPORTS);
    tcase_add_test(tests, a_reply_that_begins_while_a_server_that_stops_looks_is_not_cut);
    tcase_add_loop_test(tests, a_thread_that_gives_nng_a_reply_gives_it_those_of_others_too, 0, TRANSPORTS);
    tcase_add_test(tests, who_has_not_been_given_a_reply_is_not_cut_for_not_taking_it);
    return suite_run("runtime", tests);
}
