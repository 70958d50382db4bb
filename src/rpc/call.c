/* The life of one call: armed, received, handled, ended, sent, armed again. */
#include <stdlib.h>
#include <string.h>

#include "rpc/internal.h"
#include "wire/clock.h"
#include "wire/limits.h"

#define NS_PER_MS UINT64_C(1000000)

static enum wire_status refuse_surplus(const struct rpc_call *call, struct wire_error *error)
{
    return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED,
                          "this connection has %u requests in hand; try again",
                          call->server->options.max_calls);
}

static void set_deadline(struct rpc_call *call)
{
    uint64_t timeout_ms = call->server->options.max_timeout_ms;

    if (call->request.has_timeout && call->request.timeout_ms < timeout_ms)
        timeout_ms = call->request.timeout_ms;
    call->deadline_ns = call->arrived_ns + timeout_ms * NS_PER_MS;
}

/* The mutex is held, and let go. */
static void on_received(struct rpc_call *call, nng_msg *msg)
{
    struct rpc_server *server = call->server;
    struct rpc_call *spare;
    struct wire_error error;
    enum wire_status status;

    server->armed--;
    server->in_hand++;
    call->state = CALL_HANDLING;
    call->hook = NULL;
    call->queue_ns = call->run_ns = 0;
    call->has_items = false;
    call->items = 0;
    call->target = NULL;
    call->method = server->method_count;
    call->request_bytes = nng_msg_len(msg);
    call->arrived_ns = wire_now_ns();
    call->peer = rpc_peer_admit(call, nng_msg_get_pipe(msg));
    if (call->peer == NULL) {
        nng_msg_free(msg);
        rpc_call_rest(call);
        return;
    }
    spare = rpc_take_spare(server);
    pthread_mutex_unlock(&server->mutex);
    if (spare != NULL)
        rpc_call_receive(spare);
    call->frame = msg;
    status = wire_request_unpack(&call->arena, nng_msg_body(msg), nng_msg_len(msg), &call->request, &error);
    if (status == WIRE_OK && call->surplus)
        status = refuse_surplus(call, &error);
    set_deadline(call);
    rpc_dispatch(call, status != WIRE_OK ? &error : NULL);
}

/* The mutex is held, and let go. */
static void on_sent(struct rpc_call *call, int result)
{
    struct rpc_server *server = call->server;
    nng_pipe pipe = {.id = call->peer->id};
    bool lost;

    rpc_reply_ended(call, result == 0);
    lost = call->peer->ignored && call->peer->unsent == 0; /* it takes replies again, but requests are lost */
    rpc_call_rest(call);
    if (lost)
        rpc_peer_reset(server, pipe);
}

static void on_aio(void *arg)
{
    struct rpc_call *call = arg;
    int result = nng_aio_result(call->aio);
    nng_msg *msg = nng_aio_get_msg(call->aio); /* a request; or a reply that was not sent */

    nng_aio_set_msg(call->aio, NULL);
    pthread_mutex_lock(&call->server->mutex);
    if (call->state == CALL_SENDING) {
        on_sent(call, result);
        if (result != 0)
            nng_msg_free(msg);
    } else if (result == 0) {
        on_received(call, msg);
    } else {
        pthread_mutex_unlock(&call->server->mutex);
        if (result != NNG_ECLOSED && result != NNG_ECANCELED)
            rpc_call_receive(call);
    }
}

enum wire_status rpc_call_open(struct rpc_server *server, struct rpc_call *call)
{
    *call = (struct rpc_call){.server = server, .state = CALL_SPARE};
    wire_arena_init(&call->arena, WIRE_REQUEST_ARENA);
    if (nng_aio_alloc(&call->aio, on_aio, call) != 0)
        return WIRE_RESOURCE_EXHAUSTED;
    return nng_ctx_open(&call->ctx, server->socket) == 0 ? WIRE_OK : WIRE_RESOURCE_EXHAUSTED;
}

void rpc_call_stop(struct rpc_call *call)
{
    if (call->aio != NULL)
        nng_aio_stop(call->aio);
}

void rpc_call_close(struct rpc_call *call)
{
    nng_msg *unsent;

    if (call->aio == NULL)
        return;
    unsent = nng_aio_get_msg(call->aio);
    if (call->state == CALL_SENDING && unsent != NULL)
        nng_msg_free(unsent);
    if (call->peer != NULL)
        rpc_peer_release(call->peer);
    nng_aio_free(call->aio);
    nng_ctx_close(call->ctx);
    wire_arena_fini(&call->arena);
}

void *rpc_call_alloc(struct rpc_call *call, size_t size)
{
    void *memory = wire_arena_alloc(&call->arena, size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

const char *rpc_call_request_id(const struct rpc_call *call)
{
    return call->request.request_id;
}

void rpc_call_set_times(struct rpc_call *call, uint64_t queue_ns, uint64_t run_ns)
{
    call->queue_ns = queue_ns;
    call->run_ns = run_ns;
}

void rpc_call_set_items(struct rpc_call *call, uint64_t items)
{
    call->has_items = true;
    call->items = items;
}

void rpc_call_set_target(struct rpc_call *call, const char *id)
{
    call->target = id;
}

uint32_t rpc_call_connection(const struct rpc_call *call)
{
    return call->peer->id;
}

bool rpc_call_is_gone(struct rpc_call *call)
{
    bool gone;

    pthread_mutex_lock(&call->server->mutex);
    gone = call->peer->gone;
    pthread_mutex_unlock(&call->server->mutex);
    return gone;
}

struct rpc_load rpc_call_load(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    struct rpc_load load;

    pthread_mutex_lock(&server->mutex);
    load = (struct rpc_load){.connections = server->connections, .calls = server->in_hand};
    pthread_mutex_unlock(&server->mutex);
    return load;
}

/* The caller holds the mutex, which is let go while the hook runs. */
static void call_hook(struct rpc_call *call, enum wire_status why)
{
    struct rpc_server *server = call->server;
    rpc_cancel_fn *hook = call->hook;
    void *arg = call->hook_arg;

    call->hook = NULL;
    call->pins++;
    pthread_mutex_unlock(&server->mutex);
    hook(arg, why);
    pthread_mutex_lock(&server->mutex);
    rpc_call_unpin(call);
}

void rpc_cancel_calls(struct rpc_server *server, const struct peer *peer)
{
    uint64_t now = wire_now_ns();

    pthread_mutex_lock(&server->mutex);
    for (unsigned i = 0; i < server->options.contexts; i++) {
        struct rpc_call *call = &server->calls[i];

        if (call->state != CALL_DEFERRED || call->hook == NULL)
            continue;
        if (peer != NULL ? call->peer == peer : call->deadline_ns <= now)
            call_hook(call, peer != NULL ? WIRE_CANCELLED : WIRE_DEADLINE_EXCEEDED);
    }
    pthread_mutex_unlock(&server->mutex);
}

void rpc_cancel_sends(struct rpc_server *server, nng_pipe pipe)
{
    pthread_mutex_lock(&server->mutex);
    for (unsigned i = 0; i < server->options.contexts; i++) {
        struct rpc_call *call = &server->calls[i];

        if (call->state != CALL_SENDING || call->peer->id != pipe.id)
            continue;
        call->pins++; /* it must not begin to receive meanwhile, which would be cancelled instead */
        pthread_mutex_unlock(&server->mutex);
        nng_aio_cancel(call->aio);
        pthread_mutex_lock(&server->mutex);
        rpc_call_unpin(call);
    }
    pthread_mutex_unlock(&server->mutex);
}

uint64_t rpc_call_deadline_ns(const struct rpc_call *call)
{
    return call->deadline_ns;
}

void rpc_call_limit(struct rpc_call *call, uint64_t timeout_ms)
{
    uint64_t until_ns = wire_now_ns() + timeout_ms * NS_PER_MS;

    if (until_ns < call->deadline_ns)
        call->deadline_ns = until_ns;
}

void rpc_call_drop_frame(struct rpc_call *call)
{
    if (call->frame != NULL)
        nng_msg_free(call->frame);
    call->frame = NULL;
}

void rpc_call_defer(struct rpc_call *call, rpc_cancel_fn *hook, void *arg)
{
    struct rpc_server *server = call->server;

    rpc_call_drop_frame(call);
    pthread_mutex_lock(&server->mutex);
    if (call->state == CALL_HANDLING) {
        call->state = CALL_DEFERRED;
        call->hook = hook;
        call->hook_arg = arg;
        if (call->deadline_ns < server->timer_at) {
            server->timer_at = call->deadline_ns;
            pthread_cond_signal(&server->timer_wake);
        }
        if (call->peer->gone)
            call_hook(call, WIRE_CANCELLED);
    }
    pthread_mutex_unlock(&server->mutex);
}

void rpc_call_drop(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    nng_pipe pipe;

    rpc_call_drop_frame(call);
    atomic_fetch_add(&server->inside, 1);
    pthread_mutex_lock(&server->mutex);
    pipe.id = call->peer->id;
    call->hook = NULL;
    rpc_call_rest(call);
    rpc_peer_reset(server, pipe);
    atomic_fetch_sub(&server->inside, 1);
}
