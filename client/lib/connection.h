#ifndef TILERY_CLIENT_CONNECTION_H
#define TILERY_CLIENT_CONNECTION_H

/* What client.c, the connection, and calls.c, the calls over it, share. */
#include <pthread.h>

#include "internal.h"

#define NS_PER_MS UINT64_C(1000000)

enum call_state { CALL_SENDING, CALL_RECEIVING };

struct call {
    struct call *next, *prev; /* among the active; next alone among the idle */
    tilery_client *client;
    nng_ctx ctx;
    nng_aio *aio;
    enum call_state state;
    uint64_t deadline_ns; /* of CLOCK_MONOTONIC; UINT64_MAX: none */
    call_done_fn *done;
    void *arg;
};

struct tilery_client {
    char *server;
    uint64_t connect_timeout_ms;
    nng_socket socket;
    nng_dialer dialer;
    pthread_t dialling;    /* the first attempt, which alone tells why it failed */
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool settled; /* the first attempt is over */
    bool closing;
    bool connected;
    nng_pipe pipe;     /* while connected */
    unsigned starting; /* threads that are about to begin a call, and may wait for the connection */
    struct call *active, *idle;
};

/* The mutex is held. False when the time, of CLOCK_MONOTONIC, is up. */
bool client_wait_changed(tilery_client *client, uint64_t until_ns);

/* Closes an idle call. */
void client_free_call(struct call *call);

#endif
