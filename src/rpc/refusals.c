/* Connections over which no request can come. nng ends them by itself, and tells nobody of any: it counts
 * them, by listener. */
#include <string.h>

#include "rpc/internal.h"

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
