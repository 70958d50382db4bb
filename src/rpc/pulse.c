/* Connections over TLS that have ended, which nng may miss: see wire_has_ended; those that never
 * come to be, and those that did not. */
#include <stdlib.h>

#include "rpc/internal.h"
#include "wire/address.h"
#include "wire/hangup.h"

#define PULSE_MS 500
#define STRANGE_PULSES 10

/* The ids of all connections' pipes; NULL where there is no memory. Ends with free. */
static nng_pipe *list_pipes(struct rpc_server *server, size_t *count)
{
    nng_pipe *pipes;

    *count = 0;
    pthread_mutex_lock(&server->mutex);
    pipes = calloc(server->connections + 1, sizeof *pipes);
    for (size_t i = 0; i < PEER_BUCKETS && pipes != NULL; i++)
        for (const struct peer *peer = server->peers[i]; peer != NULL && *count < server->connections;
             peer = peer->next)
            pipes[(*count)++].id = peer->id;
    pthread_mutex_unlock(&server->mutex);
    return pipes;
}

static bool had_ended(const struct rpc_server *server, nng_pipe pipe)
{
    for (size_t i = 0; i < server->ended_count; i++)
        if (server->ended[i].id == pipe.id)
            return true;
    return false;
}

static void on_pulse(void *arg)
{
    struct rpc_server *server = arg;
    nng_pipe *pipes;
    size_t count, ended = 0;

    if (nng_aio_result(server->pulse) != 0)
        return;
    pipes = list_pipes(server, &count);
    if (++server->pulses % STRANGE_PULSES == 0 && pipes != NULL)
        rpc_strangers_look(server, pipes, count);
    for (size_t i = 0; i < count; i++) {
        if (!wire_has_ended(pipes[i]))
            continue;
        if (had_ended(server, pipes[i]))
            nng_pipe_close(pipes[i]);
        pipes[ended++] = pipes[i];
    }
    free(server->ended);
    server->ended = pipes;
    server->ended_count = ended;
    rpc_refusals_look(server);
    nng_sleep_aio(PULSE_MS, server->pulse);
}

bool rpc_pulse_start(struct rpc_server *server, const char *url)
{
    if (!wire_address_is_tls(url) || server->pulse != NULL)
        return true;
    if (nng_aio_alloc(&server->pulse, on_pulse, server) != 0)
        return false;
    nng_sleep_aio(PULSE_MS, server->pulse);
    return true;
}

void rpc_pulse_stop(struct rpc_server *server)
{
    if (server->pulse == NULL)
        return;
    nng_aio_stop(server->pulse);
    rpc_refusals_look(server);
    nng_aio_free(server->pulse);
    server->pulse = NULL;
    rpc_strangers_forget(server);
    free(server->ended);
    server->ended = NULL;
    server->ended_count = 0;
}
