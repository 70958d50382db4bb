#include "echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

struct context {
    nng_ctx ctx;
    nng_aio *aio;
    size_t reply_bytes;
    bool sending;
};

struct echo {
    nng_socket socket;
    unsigned count;
    struct context contexts[];
};

static void on_aio(void *arg)
{
    struct context *context = arg;
    nng_msg *msg;

    if (nng_aio_result(context->aio) != 0)
        return;
    context->sending = !context->sending;
    if (!context->sending) {
        nng_ctx_recv(context->ctx, context->aio);
        return;
    }
    msg = nng_aio_get_msg(context->aio);
    if (nng_msg_realloc(msg, context->reply_bytes) != 0)
        abort();
    nng_aio_set_msg(context->aio, msg);
    nng_ctx_send(context->ctx, context->aio);
}

static bool open_context(struct echo *echo, struct context *context, size_t reply_bytes)
{
    *context = (struct context){.reply_bytes = reply_bytes, .sending = false};
    if (nng_aio_alloc(&context->aio, on_aio, context) != 0 || nng_ctx_open(&context->ctx, echo->socket) != 0)
        return false;
    echo->count++;
    nng_ctx_recv(context->ctx, context->aio);
    return true;
}

struct echo *echo_start(const char *url, unsigned contexts, size_t reply_bytes, char *bound)
{
    struct echo *echo = calloc(1, sizeof *echo + contexts * sizeof *echo->contexts);
    nng_listener listener;
    int port;

    if (echo == NULL || nng_rep0_open(&echo->socket) != 0)
        return NULL;
    for (unsigned i = 0; i < contexts; i++)
        if (!open_context(echo, &echo->contexts[i], reply_bytes))
            return NULL;
    if (nng_listen(echo->socket, url, &listener, 0) != 0)
        return NULL;
    (void)snprintf(bound, 128, "%s", url);
    if (strncmp(url, "tcp", 3) == 0 && nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port) == 0)
        (void)snprintf(bound, 128, "tcp://127.0.0.1:%d", port);
    return echo;
}

void echo_stop(struct echo *echo)
{
    for (unsigned i = 0; i < echo->count; i++)
        nng_aio_stop(echo->contexts[i].aio);
    nng_close(echo->socket);
    for (unsigned i = 0; i < echo->count; i++)
        nng_aio_free(echo->contexts[i].aio);
    free(echo);
}

struct client {
    nng_socket socket;
    nng_ctx ctx;
    nng_aio *aio; /* without a callback: it is waited for */
    size_t request_bytes, reply_bytes;
};

void *echo_open(const struct target *target)
{
    struct client *client = calloc(1, sizeof *client);

    /* Without the timer for sending again, which libtilery does without, too. */
    if (client == NULL || nng_req0_open(&client->socket) != 0 ||
        nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) != 0 ||
        nng_dial(client->socket, target->url, NULL, 0) != 0 ||
        nng_ctx_open(&client->ctx, client->socket) != 0 || nng_aio_alloc(&client->aio, NULL, NULL) != 0)
        return NULL;
    client->request_bytes = target->request_bytes;
    client->reply_bytes = target->reply_bytes;
    return client;
}

static bool waited(nng_aio *aio)
{
    nng_aio_wait(aio);
    return nng_aio_result(aio) == 0;
}

bool echo_call(void *arg)
{
    struct client *client = arg;
    nng_msg *msg;
    bool whole;

    if (nng_msg_alloc(&msg, client->request_bytes) != 0)
        return false;
    nng_aio_set_msg(client->aio, msg);
    nng_ctx_send(client->ctx, client->aio);
    if (!waited(client->aio))
        return false;
    nng_ctx_recv(client->ctx, client->aio);
    if (!waited(client->aio))
        return false;
    msg = nng_aio_get_msg(client->aio);
    whole = nng_msg_len(msg) == client->reply_bytes;
    nng_msg_free(msg);
    return whole;
}

void echo_close(void *arg)
{
    struct client *client = arg;

    nng_aio_free(client->aio);
    nng_close(client->socket);
    free(client);
}
