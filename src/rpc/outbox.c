/*
 * Replies to deferred calls on their way to nng, to which one thread gives them: the one that found none at
 * it.
 *
 * nng holds its socket's lock while it writes a reply and wakes a thread for what follows. Were each of many
 * threads to send its own, they would queue up for that lock: each is woken to take it and then waits for a
 * processor, in turn, and one that the kernel sets aside holds up all others.
 */
#include "rpc/internal.h"

/* The mutex is held. */
static void put(struct outbox *outbox, struct rpc_call *call)
{
    call->next = NULL;
    *(outbox->first != NULL ? &outbox->last->next : &outbox->first) = call;
    outbox->last = call;
}

/* The first, or NULL. The mutex is held. */
static struct rpc_call *take(struct outbox *outbox)
{
    struct rpc_call *call = outbox->first;

    if (call != NULL)
        outbox->first = call->next;
    return call;
}

/* From here on it is the peer's turn to take it, or to be cut. The mutex is held. */
static void begin(struct rpc_call *call)
{
    rpc_reply_started(call, nng_msg_len(nng_aio_get_msg(call->aio)));
}

static void give(struct rpc_call *call)
{
    nng_aio_set_timeout(call->aio, NNG_DURATION_INFINITE); /* rpc_replies_watch ends it */
    nng_ctx_send(call->ctx, call->aio);
}

/* The mutex is held, and let go for each. */
static void send_all(struct rpc_server *server)
{
    struct rpc_call *call;

    server->outbox.busy = true;
    while ((call = take(&server->outbox)) != NULL) {
        begin(call);
        pthread_mutex_unlock(&server->mutex);
        give(call);
        pthread_mutex_lock(&server->mutex);
    }
    server->outbox.busy = false;
}

void rpc_call_send(struct rpc_call *call, nng_msg *msg)
{
    struct rpc_server *server = call->server;
    bool deferred;

    nng_aio_set_msg(call->aio, msg);
    atomic_fetch_add(&server->inside, 1);
    pthread_mutex_lock(&server->mutex);
    deferred = call->state == CALL_DEFERRED;
    call->state = CALL_SENDING;
    call->hook = NULL;
    if (deferred) {
        put(&server->outbox, call);
        if (!server->outbox.busy)
            send_all(server);
    } else {
        begin(call);
    }
    pthread_mutex_unlock(&server->mutex);
    if (!deferred)
        give(call); /* on one of nng's own threads, which are few */
    atomic_fetch_sub(&server->inside, 1);
}
