/* The server runtime alone: contexts, times and how it stops. */
#include <string.h>

#include "rpc/internal.h"
#include "runtime.h"
#include "served.h"
#include "suite.h"
#include "wire/clock.h"
#include "wire/socket.h"

/* More than is written at once. */
#define LARGE_BYTES (48u << 20)

uint64_t __real_wire_progress(nng_pipe pipe, int *hint);
uint64_t __wrap_wire_progress(nng_pipe pipe, int *hint);

/* First of those that never had a request, then of those that had one. */
START_TEST(every_context_gets_a_request_while_the_others_have_one)
{
    runtime_start(_i, runtime_hold, NULL);
    for (int round = 0; round < 3; round++) {
        atomic_store(&runtime.held, 0);
        for (size_t i = 0; i < RUNTIME_CONTEXTS; i++)
            runtime_ask(&runtime.clients[i]);
        for (size_t i = 0; i < RUNTIME_CONTEXTS; i++)
            runtime_wait(&runtime.one_held);
        for (size_t i = 0; i < RUNTIME_CONTEXTS; i++)
            runtime_answer(runtime.calls[i]);
        for (size_t i = 0; i < RUNTIME_CONTEXTS; i++)
            runtime_expect_answer(&runtime.clients[i]);
    }
    runtime_end();
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
    runtime_start(_i, answer_slowly, note_total);
    runtime_ask(&runtime.clients[0]);
    runtime_expect_answer(&runtime.clients[0]);
    ck_assert_uint_ge(atomic_load(&total_ns), packed_ns - began_ns);
    runtime_end();
}
END_TEST

static atomic_bool looking;
static sem_t looked, go_on;

/* How far a connection is, as the server asks while it holds no lock. */
uint64_t __wrap_wire_progress(nng_pipe pipe, int *hint)
{
    if (atomic_exchange(&looking, false)) {
        (void)sem_post(&looked);
        runtime_wait(&go_on);
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
    rpc_server_stop(runtime.server, RUNTIME_PATIENCE_MS);
    return arg;
}

static bool is_stopping(void)
{
    bool stopping;

    pthread_mutex_lock(&runtime.server->mutex);
    stopping = runtime.server->stopping;
    pthread_mutex_unlock(&runtime.server->mutex);
    return stopping;
}

/* The look began before there was anything to take. */
START_TEST(a_reply_that_begins_while_a_server_that_stops_looks_is_not_cut)
{
    pthread_t stopper;

    ck_assert_int_eq(sem_init(&looked, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    runtime_start(TCP, runtime_hold, NULL);
    atomic_store(&looking, true);
    runtime_ask(&runtime.clients[0]);
    runtime_wait(&runtime.one_held);
    rpc_call_reply_packed(runtime.calls[0], LARGE_BYTES, pack_nothing, NULL);
    nng_aio_wait(runtime.clients[0].aio);
    nng_msg_free(nng_aio_get_msg(runtime.clients[0].aio));
    runtime_ask(&runtime.clients[0]);
    runtime_wait(&runtime.one_held);
    runtime_wait(&looked);
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop, NULL), 0);
    while (!is_stopping())
        served_pause();
    rpc_call_reply_packed(runtime.calls[1], LARGE_BYTES, pack_nothing, NULL);
    (void)sem_post(&go_on);
    nng_aio_wait(runtime.clients[0].aio);
    ck_assert_int_eq(nng_aio_result(runtime.clients[0].aio), 0);
    nng_msg_free(nng_aio_get_msg(runtime.clients[0].aio));
    pthread_join(stopper, NULL);
    runtime_end();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("runtime");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_context_gets_a_request_while_the_others_have_one, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_call_takes_until_its_reply_is_packed, 0, TRANSPORTS);
    tcase_add_test(tests, a_reply_that_begins_while_a_server_that_stops_looks_is_not_cut);
    return suite_run("runtime", tests);
}
