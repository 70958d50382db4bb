/* Connections over which no request can come. nng ends them by itself, and tells nobody of any: it counts
 * them, by listener. */
#include <string.h>

#include "rpc/internal.h"
#include "wire/clock.h"

#define SURPLUS_NS UINT64_C(1000000000)

static const char *const counters[] = {[RPC_REFUSED_TLS] = "auth", [RPC_REFUSED_PROTOCOL] = "proto"};

/* The place of the listener that the statistic is about; RPC_MAX_LISTENERS where it is not the server's. */
static unsigned listener_of(struct rpc_server *server, nng_stat *stat)
{
    nng_stat *id = rpc_stat_named(stat, "id");
    unsigned found = RPC_MAX_LISTENERS;

    if (strncmp(nng_stat_name(stat), "listener", 8) != 0 || id == NULL)
        return found;
    pthread_mutex_lock(&server->mutex);
    for (unsigned i = 0; i < server->listeners && found == RPC_MAX_LISTENERS; i++)
        if (server->listener_ids[i] == nng_stat_value(id))
            found = i;
    pthread_mutex_unlock(&server->mutex);
    return found;
}

static void tell(struct rpc_server *server, nng_stat *stat, unsigned listener)
{
    for (enum rpc_refusal why = 0; why < sizeof counters / sizeof *counters; why++) {
        nng_stat *counter = rpc_stat_named(stat, counters[why]);
        uint64_t *told = &server->refused[listener][why];
        uint64_t more = counter != NULL ? nng_stat_value(counter) - *told : 0;

        if (more == 0)
            continue;
        *told += more;
        server->options.on_refused(server->options.on_refused_arg, listener, why, more);
    }
}

/* Those in between are told of with the next one. */
void rpc_refusals_surplus(struct rpc_server *server, nng_pipe pipe)
{
    uint64_t id = (uint64_t)nng_listener_id(nng_pipe_listener(pipe)), now = wire_now_ns(), count = 0;
    unsigned listener = 0;
    bool tell;

    pthread_mutex_lock(&server->mutex);
    server->surplus++;
    while (listener < server->listeners && server->listener_ids[listener] != id)
        listener++;
    if (listener < server->listeners && now >= server->surplus_told_ns + SURPLUS_NS) {
        count = server->surplus;
        server->surplus = 0;
        server->surplus_told_ns = now;
    }
    tell = count != 0 && server->options.on_refused != NULL && !server->closing;
    atomic_fetch_add(&server->inside, tell);
    pthread_mutex_unlock(&server->mutex);
    if (tell)
        server->options.on_refused(server->options.on_refused_arg, listener, RPC_REFUSED_SURPLUS, count);
    atomic_fetch_sub(&server->inside, tell);
}

void rpc_refusals_look(struct rpc_server *server)
{
    nng_stat *root;

    if (server->options.on_refused == NULL || nng_stats_get(&root) != 0)
        return;
    for (nng_stat *stat = nng_stat_child(root); stat != NULL; stat = nng_stat_next(stat)) {
        unsigned listener = listener_of(server, stat);

        if (listener != RPC_MAX_LISTENERS)
            tell(server, stat, listener);
    }
    nng_stats_free(root);
}
