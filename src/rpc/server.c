#include "rpc/server.h"

#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>

#include "rpc/internal.h"
#include "wire/clock.h"
#include "wire/condition.h"
#include "wire/hangup.h"
#include "wire/limits.h"
#include "wire/threads.h"

#define ID_BYTES 4 /* nng's, in front of a request */
#define STEP_MS 2
#define HANG_UP_MS 1000
#define CLOSE_MS 2000

/* Looks at the deadlines, and after the replies, when the earliest time it knows of has come. Calls that
 * ended meanwhile cost one needless look. */
static void *timer_main(void *arg)
{
    struct rpc_server *server = arg;

    pthread_mutex_lock(&server->mutex);
    while (!server->timer_end) {
        (void)condition_wait(&server->timer_wake, &server->mutex, server->timer_at);
        if (server->timer_end || server->timer_at > wire_now_ns())
            continue;
        pthread_mutex_unlock(&server->mutex);
        rpc_cancel_calls(server, NULL);
        rpc_replies_watch(server);
        pthread_mutex_lock(&server->mutex);
        server->timer_at = server->watch_at;
        for (unsigned i = 0; i < server->options.contexts; i++) {
            const struct rpc_call *call = &server->calls[i];

            if (call->state == CALL_DEFERRED && call->hook != NULL && call->deadline_ns < server->timer_at)
                server->timer_at = call->deadline_ns;
        }
    }
    pthread_mutex_unlock(&server->mutex);
    return NULL;
}

static enum wire_status out_of_memory(struct wire_error *error)
{
    return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory or threads for the server");
}

static void init_sync(struct rpc_server *server)
{
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->settled, NULL);
    condition_init(&server->timer_wake);
}

/* The limit on messages comes before anything else: without it one peer can end the process. */
static bool open_socket(struct rpc_server *server)
{
    if (!wire_nng_can_start() || nng_rep0_open(&server->socket) != 0)
        return false;
    server->open = true;
    return nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_REQUEST_BYTES + ID_BYTES) == 0 &&
           nng_pipe_notify(server->socket, NNG_PIPE_EV_ADD_PRE, rpc_peer_event, server) == 0 &&
           nng_pipe_notify(server->socket, NNG_PIPE_EV_REM_POST, rpc_peer_event, server) == 0;
}

static bool open_calls(struct rpc_server *server)
{
    for (unsigned i = 0; i < server->options.contexts; i++)
        if (rpc_call_open(server, &server->calls[i]) != WIRE_OK)
            return false;
    for (unsigned i = 0; i < server->options.contexts; i++)
        rpc_call_arm(&server->calls[i]);
    return true;
}

enum wire_status rpc_server_create(const struct rpc_server_options *options,
                                   const struct rpc_service *services, size_t count, void *context,
                                   struct rpc_server **out, struct wire_error *error)
{
    struct rpc_server *server = calloc(1, sizeof *server);

    *out = NULL;
    if (server == NULL)
        return out_of_memory(error);
    server->options = *options;
    server->services = services;
    server->service_count = count;
    for (size_t i = 0; i < count; i++)
        server->method_count += services[i].descriptor->n_methods;
    server->context = context;
    server->timer_at = server->watch_at = UINT64_MAX;
    server->patience_ms = options->send_timeout_ms;
    init_sync(server);
    server->calls = calloc(options->contexts, sizeof *server->calls);
    if (server->calls == NULL || !open_socket(server) || !open_calls(server))
        goto failed;
    server->timer_started = pthread_create(&server->timer, NULL, timer_main, server) == 0;
    if (!server->timer_started)
        goto failed;
    *out = server;
    return WIRE_OK;
failed:
    rpc_server_free(server);
    return out_of_memory(error);
}

static void stop_timer(struct rpc_server *server)
{
    if (!server->timer_started)
        return;
    pthread_mutex_lock(&server->mutex);
    server->timer_end = true;
    pthread_cond_signal(&server->timer_wake);
    pthread_mutex_unlock(&server->mutex);
    pthread_join(server->timer, NULL);
    server->timer_started = false;
}

static bool no_connections(struct rpc_server *server)
{
    bool none;

    pthread_mutex_lock(&server->mutex);
    none = server->connections == 0;
    pthread_mutex_unlock(&server->mutex);
    return none;
}

static void wait_until(bool (*done)(struct rpc_server *), struct rpc_server *server, uint32_t timeout_ms)
{
    for (uint32_t waited = 0; waited < timeout_ms && !done(server); waited += STEP_MS)
        nng_msleep(STEP_MS);
}

/* No callback runs once every aio is stopped, and nobody else is inside once that counter is 0: before that,
 * closing the contexts and the socket would take them from under a thread. */
static void close_calls(struct rpc_server *server)
{
    if (server->calls == NULL)
        return;
    for (unsigned i = 0; i < server->options.contexts; i++)
        rpc_call_stop(&server->calls[i]);
    while (atomic_load(&server->inside) != 0)
        nng_msleep(1);
    for (unsigned i = 0; i < server->options.contexts; i++)
        rpc_call_close(&server->calls[i]);
}

/* Clients may ask on and on: those that come later are not waited for. */
static void wait_for_calls(struct rpc_server *server, uint32_t linger_ms)
{
    pthread_mutex_lock(&server->mutex);
    rpc_replies_hurry(server, linger_ms);
    server->awaited = server->in_hand;
    for (unsigned i = 0; server->calls != NULL && i < server->options.contexts; i++)
        server->calls[i].awaited = server->calls[i].state > CALL_RECEIVING;
    while (server->awaited != 0)
        pthread_cond_wait(&server->settled, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
}

/* Once all connections are told to go: what still comes from them is dropped, so that this ends. */
static void wait_for_last_calls(struct rpc_server *server)
{
    pthread_mutex_lock(&server->mutex);
    while (server->in_hand != 0)
        pthread_cond_wait(&server->settled, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
}

void rpc_server_stop(struct rpc_server *server, uint32_t linger_ms)
{
    if (!server->open)
        return;
    wait_for_calls(server, linger_ms);
    wait_until(rpc_replies_written, server, linger_ms);
    rpc_peers_disconnect(server);
    wait_until(no_connections, server, HANG_UP_MS);
    wait_for_last_calls(server);
    stop_timer(server);
    rpc_pulse_stop(server);
    close_calls(server);
    server->stuck = !wire_close(server->socket, CLOSE_MS);
    if (!server->stuck)
        rpc_unlock_paths(server);
    server->open = false;
}

void rpc_server_free(struct rpc_server *server)
{
    if (server == NULL)
        return;
    rpc_server_stop(server, 0);
    if (server->stuck)
        return; /* nng may still tell it of a connection's end */
    free(server->calls);
    pthread_cond_destroy(&server->timer_wake);
    pthread_cond_destroy(&server->settled);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
