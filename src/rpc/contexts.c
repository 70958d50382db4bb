/* The contexts that have no call: which of them wait for one. */
#include "rpc/internal.h"

/*
 * nng gives requests to the contexts that wait for one in turn. If all that are idle waited, each request
 * would meet the one that was used longest ago, and find nothing of it in the processor's caches. So a few
 * wait, and of the rest the last used takes the place of one that got a request, once there are too few.
 */
#define ARMED_LEAST 8u
#define ARMED_MOST 16u

/* The mutex is held. True: it is to be armed. */
static bool wants_armed(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    if (server->armed < ARMED_MOST) {
        call->state = CALL_RECEIVING;
        server->armed++;
        return true;
    }
    call->state = CALL_SPARE;
    call->next = server->spares;
    server->spares = call;
    return false;
}

struct rpc_call *rpc_take_spare(struct rpc_server *server)
{
    struct rpc_call *spare = server->spares;

    if (spare == NULL || server->armed >= ARMED_LEAST)
        return NULL;
    server->spares = spare->next;
    spare->state = CALL_RECEIVING;
    server->armed++;
    return spare;
}

void rpc_call_receive(struct rpc_call *call)
{
    nng_aio_set_timeout(call->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(call->ctx, call->aio);
}

/* The context is free for the next request. The mutex is held, and let go: nng is called without it. From
 * here on the server may end: whoever is not known to it by then would find the context closed. */
static void rearm(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    bool arm;

    wire_arena_reset(&call->arena);
    rpc_reply_release(call);
    server->request_bytes -= call->unpacked;
    call->unpacked = 0;
    if (call->peer != NULL)
        rpc_peer_release(call->peer);
    call->peer = NULL;
    atomic_fetch_add(&server->inside, 1);
    server->awaited -= call->awaited;
    call->awaited = false;
    if (--server->in_hand == 0 || server->awaited == 0)
        pthread_cond_broadcast(&server->settled);
    arm = wants_armed(call);
    pthread_mutex_unlock(&server->mutex);
    if (arm)
        rpc_call_receive(call);
    atomic_fetch_sub(&server->inside, 1);
}

void rpc_call_rest(struct rpc_call *call)
{
    if (call->pins == 0) {
        rearm(call);
        return;
    }
    call->state = CALL_RESTING;
    pthread_mutex_unlock(&call->server->mutex);
}

void rpc_call_unpin(struct rpc_call *call)
{
    if (--call->pins != 0 || call->state != CALL_RESTING)
        return;
    rearm(call);
    pthread_mutex_lock(&call->server->mutex);
}

void rpc_call_arm(struct rpc_call *call)
{
    struct rpc_server *server = call->server;
    bool arm;

    pthread_mutex_lock(&server->mutex);
    arm = wants_armed(call);
    pthread_mutex_unlock(&server->mutex);
    if (arm)
        rpc_call_receive(call);
}
