/* The connections of a server, by the id of their nng pipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rpc/internal.h"
#include "wire/address.h"
#include "wire/hangup.h"

static struct peer **slot_of(struct rpc_server *server, uint32_t id)
{
    struct peer **slot = &server->peers[id % PEER_BUCKETS];

    while (*slot != NULL && (*slot)->id != id)
        slot = &(*slot)->next;
    return slot;
}

struct peer *rpc_peer_find(struct rpc_server *server, nng_pipe pipe)
{
    return *slot_of(server, pipe.id);
}

void rpc_peer_release(struct peer *peer)
{
    if (--peer->in_flight == 0 && peer->gone)
        free(peer);
}

struct peer *rpc_peer_admit(struct rpc_call *call, nng_pipe pipe)
{
    struct rpc_server *server = call->server;
    struct peer *peer = rpc_peer_find(server, pipe);

    if (peer == NULL || peer->ignored)
        return NULL;
    call->surplus = peer->in_flight++ >= server->options.max_calls;
    rpc_replies_crowd(server);
    return peer;
}

static void disconnect(struct rpc_server *server, nng_pipe pipe, bool reset)
{
    struct peer *peer;
    bool first;

    pthread_mutex_lock(&server->mutex);
    peer = rpc_peer_find(server, pipe);
    first = peer != NULL && !peer->hung_up;
    if (first)
        peer->ignored = peer->hung_up = true;
    pthread_mutex_unlock(&server->mutex);
    if (!first || wire_hang_up(pipe, reset))
        return;
    pthread_mutex_lock(&server->mutex);
    peer = rpc_peer_find(server, pipe);
    if (peer != NULL)
        peer->hung_up = server->closing; /* the next reply that it does not take tries again */
    pthread_mutex_unlock(&server->mutex);
}

void rpc_peer_reset(struct rpc_server *server, nng_pipe pipe)
{
    disconnect(server, pipe, true);
}

void rpc_peers_disconnect(struct rpc_server *server)
{
    nng_pipe pipes[64];
    size_t count;

    do {
        count = 0;
        pthread_mutex_lock(&server->mutex);
        server->closing = true;
        for (size_t i = 0; i < PEER_BUCKETS; i++)
            for (struct peer *peer = server->peers[i]; peer != NULL; peer = peer->next)
                if (!peer->hung_up && count < sizeof pipes / sizeof *pipes)
                    pipes[count++].id = peer->id;
        pthread_mutex_unlock(&server->mutex);
        for (size_t i = 0; i < count; i++)
            disconnect(server, pipes[i], false);
    } while (count != 0);
}

static void name_peer(nng_pipe pipe, char *name, size_t size)
{
    nng_sockaddr remote;

    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) != 0)
        remote.s_family = NNG_AF_UNSPEC;
    if (remote.s_family == NNG_AF_INET)
        wire_address_write(name, size, AF_INET, &remote.s_in.sa_addr, remote.s_in.sa_port);
    else if (remote.s_family == NNG_AF_INET6)
        wire_address_write(name, size, AF_INET6, &remote.s_in6.sa_addr, remote.s_in6.sa_port);
    else
        (void)snprintf(name, size, "%s", remote.s_family == NNG_AF_INPROC ? "inproc" : "local");
}

/* False when the connection is one too many, or comes too late. */
static bool add_peer(struct rpc_server *server, nng_pipe pipe)
{
    struct peer *peer = calloc(1, sizeof *peer);
    nng_sockaddr local;
    bool room;

    if (peer == NULL)
        return false;
    peer->id = pipe.id;
    peer->hint = -1;
    name_peer(pipe, peer->name, sizeof peer->name);
    peer->counted = nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &local) != 0 || local.s_family != NNG_AF_INPROC;
    pthread_mutex_lock(&server->mutex);
    room = !server->closing && server->connections < server->options.max_connections;
    if (room) {
        *slot_of(server, peer->id) = peer;
        server->connections++;
    }
    pthread_mutex_unlock(&server->mutex);
    if (!room) {
        free(peer);
        rpc_refusals_surplus(server, pipe);
    }
    return room;
}

static void remove_peer(struct rpc_server *server, uint32_t id)
{
    const struct rpc_server_options *options = &server->options;
    struct peer **slot, *peer;
    bool tell = false;

    pthread_mutex_lock(&server->mutex);
    slot = slot_of(server, id);
    peer = *slot;
    if (peer != NULL) {
        *slot = peer->next;
        server->connections--;
        rpc_reply_written(server, peer);
        peer->gone = true;
        peer->in_flight++; /* keeps it while the hooks run */
        tell = options->on_gone != NULL && !server->closing;
        atomic_fetch_add(&server->inside, tell);
    }
    pthread_mutex_unlock(&server->mutex);
    if (peer == NULL)
        return;
    rpc_cancel_calls(server, peer);
    if (tell)
        options->on_gone(options->on_gone_arg, id);
    pthread_mutex_lock(&server->mutex);
    rpc_peer_release(peer);
    pthread_mutex_unlock(&server->mutex);
    atomic_fetch_sub(&server->inside, tell);
}

void rpc_peer_event(nng_pipe pipe, nng_pipe_ev event, void *server)
{
    if (event == NNG_PIPE_EV_REM_POST)
        remove_peer(server, pipe.id);
    else if (!add_peer(server, pipe))
        nng_pipe_close(pipe);
}
