#ifndef TILERY_CLIENT_CONNECTION_H
#define TILERY_CLIENT_CONNECTION_H

/* What client.c, the connection, calls.c, the calls over it, and blocking.c, those that are waited for,
 * share. */
#include <pthread.h>

#include "internal.h"
#include "secure.h"

#define NS_PER_MS UINT64_C(1000000)

enum call_state { CALL_SENDING, CALL_RECEIVING };

struct call {
    struct call *next, *prev; /* among the active; next alone among the idle */
    tilery_client *client;
    nng_ctx ctx;
    nng_aio *told;   /* calls back, on a thread of nng */
    nng_aio *waited; /* wakes the thread that waits for it: a hand-over less for sending and for receiving */
    nng_aio *aio;    /* the one of them in use */
    enum call_state state;
    uint64_t deadline_ns; /* of CLOCK_MONOTONIC; UINT64_MAX: none */
    call_done_fn *done;   /* NULL: the caller waits */
    void *arg;
};

struct tilery_client {
    char *server;
    char *authorization; /* with the token; NULL: none */
    uint64_t connect_timeout_ms;
    nng_socket socket;
    nng_dialer dialer;
    pthread_t dialling;    /* the first attempt, which alone tells why it failed */
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool settled; /* the first attempt is over */
    int failure;  /* nng's error that it ended with, or 0 */
    bool closing;
    bool connected;
    nng_pipe pipe;     /* while connected */
    unsigned starting; /* threads that are about to begin a call, and may wait for the connection */
    struct call *active, *idle;
};

/* The mutex is held. False when the time, of CLOCK_MONOTONIC, is up. */
bool client_wait_changed(tilery_client *client, uint64_t until_ns);

/* call_start, but with done NULL for a caller who waits for the call's aio, and leads the call to its end. */
WIRE_MUST_USE enum wire_status call_begin(tilery_client *client, const char *method,
                                          const ProtobufCMessage *request,
                                          const struct tilery_call_options *options, bool wait,
                                          call_done_fn *done, void *arg, struct call **out,
                                          struct wire_error *error);

/* The call's aio is over. False when it is under way again; else *reply is the reply, or NULL and the error.
 */
bool call_go_on(struct call *call, nng_msg **reply, struct wire_error *error);

/* Gives back a call that has ended. The client may be gone when it returns. */
void call_end(struct call *call);

/* Closes an idle call. */
void client_free_call(struct call *call);

#endif
