/* A client's connection: opened, watched, ended. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "connection.h"
#include "wire/clock.h"
#include "wire/hangup.h"
#include "wire/limits.h"
#include "wire/socket.h"

#define DEFAULT_SERVER "tcp://127.0.0.1:5570"
#define DEFAULT_CONNECT_TIMEOUT_MS 5000
#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 1000
#define HANG_UP_MS 500
#define CLOSE_MS 2000
#define FIRST_ATTEMPT_MS 1000

enum tilery_status call_error(struct tilery_error *out, const struct wire_error *error)
{
    if (out != NULL) {
        out->status = (enum tilery_status)error->status;
        out->retry_after_ms = error->retry_after_ms;
        (void)snprintf(out->message, sizeof out->message, "%s", error->message);
    }
    return (enum tilery_status)error->status;
}

bool client_wait_changed(tilery_client *client, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                             .tv_nsec = (long)(until_ns % 1000000000u)};

    return pthread_cond_timedwait(&client->changed, &client->mutex, &until) == 0;
}

/* Before the connection is used, and after it is gone. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    tilery_client *client = arg;
    bool late;

    pthread_mutex_lock(&client->mutex);
    late = event == NNG_PIPE_EV_ADD_PRE && client->closing;
    if (event == NNG_PIPE_EV_ADD_PRE && !late) {
        client->pipe = pipe;
        client->connected = client->settled = true;
        client->failure = 0;
    } else if (event == NNG_PIPE_EV_REM_POST && pipe.id == client->pipe.id) {
        client->connected = false;
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
    tilery_client *client = arg;
    int result = nng_dialer_start(client->dialer, 0);

    if (result != 0 && result != NNG_ECLOSED)
        (void)nng_dialer_start(client->dialer, NNG_FLAG_NONBLOCK);
    pthread_mutex_lock(&client->mutex);
    client->settled = true;
    if (!client->connected)
        client->failure = result;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
    return NULL;
}

static int open_socket(tilery_client *client, const struct tilery_client_options *options,
                       struct wire_error *error)
{
    nng_socket socket = client->socket;
    int result;

    if ((result = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_REPLY_BYTES)) != 0 ||
        (result = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
        (result = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (result = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
        (result = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, client)) != 0 ||
        (result = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, client)) != 0 ||
        (result = nng_dialer_create(&client->dialer, socket, client->server)) != 0)
        return result;
    if (client_secure_dialer(client->dialer, client->server, options, error) != WIRE_OK)
        return NNG_EINVAL;
    /* Half-open connections are noticed; a transport without the option needs none. */
    (void)nng_dialer_set_bool(client->dialer, NNG_OPT_TCP_KEEPALIVE, true);
    return pthread_create(&client->dialling, NULL, dial, client) == 0 ? 0 : NNG_ENOMEM;
}

static void init_sync(tilery_client *client)
{
    pthread_condattr_t clock;

    pthread_mutex_init(&client->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&client->changed, &clock);
    pthread_condattr_destroy(&clock);
}

static void free_client(tilery_client *client)
{
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->mutex);
    client_free_authorization(client->authorization);
    free(client->server);
    free(client);
}

enum tilery_status tilery_client_open(const struct tilery_client_options *options, tilery_client **out,
                                      struct tilery_error *error)
{
    const char *server = options != NULL && options->server != NULL ? options->server : DEFAULT_SERVER;
    tilery_client *client = calloc(1, sizeof *client);
    struct wire_error why = {.status = WIRE_OK};
    char shown[160];
    int result;

    *out = NULL;
    if (client == NULL || (client->server = strdup(server)) == NULL) {
        free(client);
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the client");
        return call_error(error, &why);
    }
    client->connect_timeout_ms = options != NULL && options->connect_timeout_ms != 0
                                     ? options->connect_timeout_ms
                                     : DEFAULT_CONNECT_TIMEOUT_MS;
    init_sync(client);
    if (client_make_authorization(options, &client->authorization, &why) != WIRE_OK) {
        free_client(client);
        return call_error(error, &why);
    }
    if ((result = nng_req0_open(&client->socket)) == 0 && (result = open_socket(client, options, &why)) != 0)
        nng_close(client->socket);
    if (result != 0) {
        if (why.status == WIRE_OK)
            wire_error_set(&why, WIRE_INVALID_ARGUMENT,
                           "server is \"%s\"; it must be a URL such as " DEFAULT_SERVER " (%s)",
                           wire_quote(shown, sizeof shown, server), nng_strerror(result));
        free_client(client);
        return call_error(error, &why);
    }
    *out = client;
    return TILERY_OK;
}

/* The mutex is held. A dialer that is closed before its first attempt has begun would leave it waiting for
 * ever. */
static void wait_for_first_attempt(tilery_client *client)
{
    uint64_t until_ns = wire_now_ns() + FIRST_ATTEMPT_MS * NS_PER_MS;

    while (!client->settled && client_wait_changed(client, until_ns))
        continue;
}

/* The mutex is held. A server may be sending: see wire/hangup.h for why nng is not left to end the
 * connection. */
static void disconnect(tilery_client *client)
{
    uint64_t until_ns = wire_now_ns() + HANG_UP_MS * NS_PER_MS;
    nng_pipe pipe = client->pipe;

    if (!client->connected)
        return;
    pthread_mutex_unlock(&client->mutex);
    (void)wire_hang_up(pipe, false);
    pthread_mutex_lock(&client->mutex);
    while (client->connected && client_wait_changed(client, until_ns))
        continue;
}

void tilery_client_close(tilery_client *client)
{
    struct call *call;

    if (client == NULL)
        return;
    pthread_mutex_lock(&client->mutex);
    client->closing = true;
    pthread_cond_broadcast(&client->changed);
    for (call = client->active; call != NULL; call = call->next)
        nng_aio_cancel(call->aio);
    while (client->active != NULL || client->starting != 0)
        pthread_cond_wait(&client->changed, &client->mutex);
    wait_for_first_attempt(client);
    disconnect(client);
    pthread_mutex_unlock(&client->mutex);
    (void)nng_dialer_close(client->dialer);
    pthread_join(client->dialling, NULL);
    while ((call = client->idle) != NULL) {
        client->idle = call->next;
        client_free_call(call);
    }
    if (wire_close(client->socket, CLOSE_MS))
        free_client(client); /* otherwise nng may still tell it of the connection's end */
}
