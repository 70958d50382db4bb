/* One server's connection: opened, watched, ended. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "connection.h"
#include "wire/address.h"
#include "wire/clock.h"
#include "wire/hangup.h"
#include "wire/limits.h"
#include "wire/socket.h"
#include "wire/threads.h"

#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 1000
#define CLOSE_MS 2000
/* A server that refuses is passed over for so long, and for twice as long each time it still does. */
#define AVOID_MIN_MS 100
#define AVOID_MAX_MS 5000

static void on_connected(struct server *server, nng_pipe pipe)
{
    server->pipe = pipe;
    server->connected = server->settled = true;
    server->heard = false;
    server->connections++;
    server->failure = 0;
    server->avoided_until_ns = server->avoided_ms = 0;
    client_wake_calls(server->client);
}

/* Before the connection is used, and after it is gone. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct server *server = arg;
    tilery_client *client = server->client;
    bool late;

    pthread_mutex_lock(&client->mutex);
    late = event == NNG_PIPE_EV_ADD_PRE && client->closing;
    if (event == NNG_PIPE_EV_ADD_PRE && !late) {
        on_connected(server, pipe);
    } else if (event == NNG_PIPE_EV_REM_POST && pipe.id == server->pipe.id) {
        server->connected = false;
        client_lose_calls(server);
    }
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
    if (late)
        nng_pipe_close(pipe);
    else if (event == NNG_PIPE_EV_ADD_PRE)
        wire_tune_pipe(pipe);
}

/* The first attempt blocks, in a thread of its own: nng reports why an attempt failed only to whoever waits
 * for it. */
static void *dial(void *arg)
{
    struct server *server = arg;
    tilery_client *client = server->client;
    int result = nng_dialer_start(server->dialer, 0);

    if (result != 0 && result != NNG_ECLOSED)
        (void)nng_dialer_start(server->dialer, NNG_FLAG_NONBLOCK);
    pthread_mutex_lock(&client->mutex);
    server->settled = true;
    if (!server->connected)
        server->failure = result;
    client_wake_calls(client);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
    return NULL;
}

static int set_up_socket(struct server *server)
{
    nng_socket socket = server->socket;
    int result;

    if ((result = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_REPLY_BYTES)) != 0 ||
        (result = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
        (result = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (result = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
        (result = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, server)) != 0)
        return result;
    return nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, server);
}

static enum wire_status bad_url(const char *url, int result, struct wire_error *error)
{
    char shown[160];

    return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                          "server is \"%s\"; it must be a URL such as tcp://127.0.0.1:5570, or several with "
                          "commas between (%s)",
                          wire_quote(shown, sizeof shown, url), nng_strerror(result));
}

static int create_dialer(const struct server *server, nng_dialer *out)
{
    int result = nng_dialer_create(out, server->socket, server->url);

    /* Half-open connections are noticed; a transport without the option needs none. */
    if (result == 0)
        (void)nng_dialer_set_bool(*out, NNG_OPT_TCP_KEEPALIVE, true);
    return result;
}

static enum wire_status set_up_dialer(struct server *server, const struct tilery_client_options *options,
                                      struct wire_error *error)
{
    int result = create_dialer(server, &server->dialer);

    if (result != 0)
        return bad_url(server->url, result, error);
    return client_secure_dialer(server->dialer, server->url, options, error);
}

/* What the old one connects at this very moment ends with it. */
static void *take_over(void *arg)
{
    struct server *server = arg;
    tilery_client *client = server->client;
    bool late;

    pthread_mutex_lock(&client->mutex);
    late = server->connected;
    pthread_mutex_unlock(&client->mutex);
    (void)nng_dialer_close(late ? server->successor : server->dialer);
    if (!late)
        (void)nng_dialer_start(server->successor, NNG_FLAG_NONBLOCK);
    pthread_mutex_lock(&client->mutex);
    if (!late)
        server->dialer = server->successor;
    server->redialling = false;
    pthread_mutex_unlock(&client->mutex);
    return NULL;
}

static bool start_taking_over(struct server *server)
{
    tilery_client *client = server->client;
    pthread_t before = server->dialling, thread;
    bool started;

    pthread_mutex_lock(&client->mutex);
    started = server->redialling = pthread_create(&thread, NULL, take_over, server) == 0;
    pthread_mutex_unlock(&client->mutex);
    if (!started)
        return false;
    server->dialling = thread;
    pthread_join(before, NULL);
    return true;
}

bool server_redial(struct server *server)
{
    if (create_dialer(server, &server->successor) != 0)
        return false;
    if (client_secure_alike(server->successor, server->dialer, server->url) && start_taking_over(server))
        return true;
    (void)nng_dialer_close(server->successor);
    return false;
}

static enum wire_status connect_socket(struct server *server, const struct tilery_client_options *options,
                                       struct wire_error *error)
{
    if (set_up_socket(server) != 0)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the client");
    if (set_up_dialer(server, options, error) != WIRE_OK)
        return error->status;
    if (pthread_create(&server->dialling, NULL, dial, server) != 0)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no thread for the client");
    return WIRE_OK;
}

enum wire_status server_open(struct server *server, tilery_client *client, const char *url,
                             const struct tilery_client_options *options, struct wire_error *error)
{
    server->client = client;
    server->nameless = options->tls_server_name == NULL && wire_address_is_ip(url);
    server->url = strdup(url);
    if (server->url == NULL || !wire_nng_can_start() || nng_req0_open(&server->socket) != 0) {
        free(server->url);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory or threads for the client");
    }
    if (connect_socket(server, options, error) == WIRE_OK)
        return WIRE_OK;
    nng_close(server->socket);
    free(server->url);
    return error->status;
}

void server_disconnect(struct server *server)
{
    tilery_client *client = server->client;
    nng_pipe pipe;
    bool connected;

    pthread_mutex_lock(&client->mutex);
    pipe = server->pipe;
    connected = server->connected;
    pthread_mutex_unlock(&client->mutex);
    /* The server may be sending: see wire/hangup.h for why nng is not left to end the connection. */
    if (connected)
        (void)wire_hang_up(pipe, false);
}

bool server_close(struct server *server)
{
    tilery_client *client = server->client;
    struct context *context;
    nng_dialer dialer;
    bool closed;

    pthread_mutex_lock(&client->mutex);
    dialer = server->dialer;
    pthread_mutex_unlock(&client->mutex);
    (void)nng_dialer_close(dialer);
    pthread_join(server->dialling, NULL);
    (void)nng_dialer_close(server->dialer); /* another one may have taken over */
    while ((context = server->idle) != NULL) {
        server->idle = context->next;
        nng_ctx_close(context->ctx);
        free(context);
    }
    closed = wire_close(server->socket, CLOSE_MS);
    if (closed)
        free(server->url);
    return closed;
}

bool server_serves(const struct server *server, uint64_t now_ns)
{
    return server->connected && server->avoided_until_ns <= now_ns;
}

void server_avoid(struct server *server)
{
    tilery_client *client = server->client;

    pthread_mutex_lock(&client->mutex);
    /* Calls that were refused together count once. */
    if (server->avoided_until_ns <= wire_now_ns()) {
        server->avoided_ms = server->avoided_ms == 0 ? AVOID_MIN_MS : 2 * server->avoided_ms;
        if (server->avoided_ms > AVOID_MAX_MS)
            server->avoided_ms = AVOID_MAX_MS;
        server->avoided_until_ns = wire_after_ms(server->avoided_ms);
    }
    pthread_mutex_unlock(&client->mutex);
}

void server_trust(struct server *server)
{
    /* It may be a call that it took before it began to refuse. */
    if (server->avoided_ms != 0 && server->avoided_until_ns <= wire_now_ns())
        server->avoided_ms = 0;
}

unsigned server_connections(struct server *server)
{
    tilery_client *client = server->client;
    unsigned connections;

    pthread_mutex_lock(&client->mutex);
    connections = server->connections;
    pthread_mutex_unlock(&client->mutex);
    return connections;
}

struct context *server_take_context(struct server *server)
{
    struct context *context = server->idle;

    if (context != NULL) {
        server->idle = context->next;
        return context;
    }
    context = calloc(1, sizeof *context);
    if (context == NULL || nng_ctx_open(&context->ctx, server->socket) == 0)
        return context;
    free(context);
    return NULL;
}

void context_end(struct context *context)
{
    if (!context->ended)
        nng_ctx_close(context->ctx);
    context->ended = true;
}

void server_give_back(struct server *server, struct context *context)
{
    if (context->ended) {
        free(context);
        return;
    }
    context->next = server->idle;
    server->idle = context;
}
