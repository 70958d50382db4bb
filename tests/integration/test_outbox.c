/* How the server runtime gives nng its replies, and what becomes of connections that it gives up. */
#include <string.h>

#include "rpc/internal.h"
#include "runtime.h"
#include "served.h"
#include "suite.h"
#include "wire/hangup.h"

/* So many requests in hand do not crowd the server, which would cut who is kept from its reply here. */
#define FEW 20
/* Smaller ones are not counted against the budget. */
#define COUNTED_BYTES 65536u

void __real_nng_ctx_send(nng_ctx ctx, nng_aio *aio);
void __wrap_nng_ctx_send(nng_ctx ctx, nng_aio *aio);
bool __real_wire_hang_up(nng_pipe pipe, bool reset);
bool __wrap_wire_hang_up(nng_pipe pipe, bool reset);

static atomic_bool watching, losing;
static atomic_uint sends;
static struct {
    nng_aio *aio;
    pthread_t by;
} given[RUNTIME_CONTEXTS];
static pthread_t sender;
static sem_t sending, go_on;

/* Loses the reply; or of those that are watched, the first waits until it may go on. */
void __wrap_nng_ctx_send(nng_ctx ctx, nng_aio *aio)
{
    if (atomic_load(&losing) && nng_aio_begin(aio)) {
        nng_aio_finish(aio, NNG_ECLOSED);
        return;
    }
    if (atomic_load(&watching)) {
        unsigned place = atomic_fetch_add(&sends, 1);

        given[place].aio = aio;
        given[place].by = pthread_self();
        if (place == 0) {
            (void)sem_post(&sending);
            runtime_wait(&go_on);
        }
    }
    __real_nng_ctx_send(ctx, aio);
}

static void *answer_first(void *arg)
{
    runtime_answer(runtime.calls[0]);
    return arg;
}

/* nng is being given the first of so many replies, by a thread of its own, and the others are to follow. */
static void start_giving(int transport, rpc_handler *handler, size_t count)
{
    ck_assert_int_eq(sem_init(&sending, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    runtime_start(transport, handler, NULL);
    atomic_store(&sends, 0);
    for (size_t i = 0; i < count; i++) {
        runtime_ask(&runtime.clients[i]);
        runtime_wait(&runtime.one_held);
    }
    atomic_store(&watching, true);
    ck_assert_int_eq(pthread_create(&sender, NULL, answer_first, NULL), 0);
    runtime_wait(&sending);
    for (size_t i = 1; i < count; i++)
        runtime_answer(runtime.calls[i]);
}

static void give_all(void)
{
    (void)sem_post(&go_on);
    pthread_join(sender, NULL);
    atomic_store(&watching, false);
}

START_TEST(a_thread_that_gives_nng_a_reply_gives_it_those_of_others_too_in_their_order)
{
    start_giving(_i, runtime_hold, FEW);
    ck_assert_uint_eq(atomic_load(&sends), 1);
    give_all();
    ck_assert_uint_eq(atomic_load(&sends), FEW);
    for (size_t i = 0; i < FEW; i++) {
        ck_assert_ptr_eq(given[i].aio, runtime.calls[i]->aio);
        ck_assert(pthread_equal(given[i].by, sender));
        runtime_expect_answer(&runtime.clients[i]);
    }
    runtime_end();
}
END_TEST

static void answer_the_last_at_once(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    if (atomic_load(&runtime.held) < FEW)
        runtime_hold(call, request, context);
    else
        runtime_answer(call);
}

START_TEST(a_handler_s_own_reply_waits_for_no_others)
{
    start_giving(_i, answer_the_last_at_once, FEW);
    runtime_ask(&runtime.clients[FEW]);
    runtime_expect_answer(&runtime.clients[FEW]);
    ck_assert_uint_eq(atomic_load(&sends), 2);
    ck_assert(!pthread_equal(given[1].by, sender));
    give_all();
    for (size_t i = 0; i < FEW; i++)
        runtime_expect_answer(&runtime.clients[i]);
    runtime_end();
}
END_TEST

static unsigned crowded_looks(void)
{
    unsigned looks;

    pthread_mutex_lock(&runtime.server->mutex);
    looks = runtime.server->crowded_looks;
    pthread_mutex_unlock(&runtime.server->mutex);
    return looks;
}

/* A server whose contexts are nearly all in hand cuts whoever has replies to take and takes none. */
START_TEST(who_has_not_been_given_a_reply_is_not_cut_for_not_taking_it)
{
    start_giving(TCP, runtime_hold, RUNTIME_CONTEXTS);
    while (crowded_looks() < 6)
        served_pause();
    for (size_t i = 1; i < RUNTIME_CONTEXTS; i++)
        ck_assert(!runtime.calls[i]->peer->hung_up);
    give_all();
    for (size_t i = 1; i < RUNTIME_CONTEXTS; i++)
        runtime_expect_answer(&runtime.clients[i]);
    runtime_end();
}
END_TEST

static enum { ENDS, IS_NOT_FOUND, IS_LEFT } connection;
static atomic_uint hang_ups;

/* Whether a connection's socket was found. */
bool __wrap_wire_hang_up(nng_pipe pipe, bool reset)
{
    atomic_fetch_add(&hang_ups, 1);
    return connection == ENDS ? __real_wire_hang_up(pipe, reset) : connection == IS_LEFT;
}

/* Of the first client, which has a request in hand. */
static nng_pipe reset_one(int transport)
{
    nng_pipe pipe;

    atomic_store(&hang_ups, 0);
    runtime_start(transport, runtime_hold, NULL);
    runtime_ask(&runtime.clients[0]);
    runtime_wait(&runtime.one_held);
    pipe.id = rpc_call_connection(runtime.calls[0]);
    rpc_peer_reset(runtime.server, pipe);
    ck_assert_uint_eq(atomic_load(&hang_ups), 1);
    return pipe;
}

/* Its requests are not taken any more, so that its client would wait for ever. */
START_TEST(a_connection_that_could_not_be_ended_is_ended_once_it_has_taken_its_reply)
{
    connection = IS_NOT_FOUND;
    (void)reset_one(_i);
    connection = ENDS;
    runtime_answer(runtime.calls[0]);
    runtime_wait(&runtime.gone);
    ck_assert_uint_eq(atomic_load(&hang_ups), 2);
    runtime_end();
}
END_TEST

START_TEST(a_connection_that_is_ended_is_not_ended_again)
{
    nng_pipe pipe;

    connection = IS_LEFT;
    pipe = reset_one(_i);
    rpc_peer_reset(runtime.server, pipe);
    runtime_answer(runtime.calls[0]);
    runtime_expect_answer(&runtime.clients[0]);
    ck_assert_uint_eq(atomic_load(&hang_ups), 1);
    connection = ENDS;
    runtime_end();
}
END_TEST

static void pack_nothing(void *arg, uint8_t *out)
{
    (void)arg;
    memset(out, 0, COUNTED_BYTES);
}

static bool is_idle(void)
{
    bool idle;

    pthread_mutex_lock(&runtime.server->mutex);
    idle = runtime.server->in_hand == 0;
    pthread_mutex_unlock(&runtime.server->mutex);
    return idle;
}

START_TEST(a_reply_that_is_lost_takes_no_room_and_is_awaited_by_nobody)
{
    const struct peer *peer;

    runtime_start(TCP, runtime_hold, NULL);
    runtime_ask(&runtime.clients[0]);
    runtime_wait(&runtime.one_held);
    peer = runtime.calls[0]->peer;
    atomic_store(&losing, true);
    rpc_call_reply_packed(runtime.calls[0], COUNTED_BYTES, pack_nothing, NULL);
    while (!is_idle())
        served_pause();
    atomic_store(&losing, false);
    ck_assert_uint_eq(runtime.server->reply_bytes, 0);
    ck_assert_uint_eq(peer->unsent, 0);
    ck_assert_uint_eq(peer->replies, 0);
    runtime_end();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("outbox");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_thread_that_gives_nng_a_reply_gives_it_those_of_others_too_in_their_order, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_handler_s_own_reply_waits_for_no_others, 0, TRANSPORTS);
    tcase_add_test(tests, who_has_not_been_given_a_reply_is_not_cut_for_not_taking_it);
    tcase_add_loop_test(tests, a_connection_that_could_not_be_ended_is_ended_once_it_has_taken_its_reply, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_connection_that_is_ended_is_not_ended_again, 0, TRANSPORTS);
    tcase_add_test(tests, a_reply_that_is_lost_takes_no_room_and_is_awaited_by_nobody);
    return suite_run("outbox", tests);
}
