/* Calls: taken from the idle ones, started, given back; what happens in between is in attempts.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "wire/clock.h"

/* The longest that a server takes, unless it is told otherwise: a run's longest time limit, and a minute. */
#define DEFAULT_TIMEOUT_MS 660000
/* How long a server has to end what was cancelled: then it ends without it. */
#define CANCEL_MS 2000

void call_free(struct call *call)
{
    nng_aio_free(call->timer);
    nng_aio_free(call->aio);
    nng_aio_free(call->send_now);
    free(call);
}

/* The mutex is held. Among the active ones. */
static void enter(struct call *call)
{
    tilery_client *client = call->client;

    call->prev = NULL;
    call->next = client->active;
    if (client->active != NULL)
        client->active->prev = call;
    client->active = call;
}

/* The mutex is held. Back among the idle ones. */
static void leave(struct call *call)
{
    tilery_client *client = call->client;

    *(call->prev != NULL ? &call->prev->next : &client->active) = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    if (call->payload != call->small)
        free(call->payload);
    call->payload = NULL;
    call->state = CALL_IDLE;
    call->next = client->idle[call->waited];
    client->idle[call->waited] = call;
    pthread_cond_broadcast(&client->changed);
}

void call_end(struct call *call)
{
    tilery_client *client = call->client;

    pthread_mutex_lock(&client->mutex);
    leave(call);
    pthread_mutex_unlock(&client->mutex);
}

static void on_nng(void *arg)
{
    struct call *call = arg;

    if (!call_go_on(call))
        return;
    call->done(call->arg, call->reply, call->server, call->reply == NULL ? &call->error : NULL);
    call_end(call);
}

enum wire_status call_check_id(const char *id, struct wire_error *error)
{
    size_t len = id != NULL ? strlen(id) : 0;

    if (len <= WIRE_MAX_REQUEST_ID)
        return WIRE_OK;
    return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                          "request_id has %zu characters; at most %d are allowed", len, WIRE_MAX_REQUEST_ID);
}

/* For all attempts: the request, packed, and the trace context behind it. */
static enum wire_status keep_message(struct call *call, const ProtobufCMessage *request,
                                     const char *traceparent, struct wire_error *error)
{
    size_t extra = traceparent != NULL ? strlen(traceparent) + 1 : 1; /* a message may be empty */

    call->payload_len = protobuf_c_message_get_packed_size(request);
    call->payload =
        call->payload_len + extra <= sizeof call->small ? call->small : malloc(call->payload_len + extra);
    if (call->payload == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    (void)protobuf_c_message_pack(request, call->payload);
    call->traceparent = NULL;
    if (traceparent != NULL)
        call->traceparent = memcpy(call->payload + call->payload_len, traceparent, extra);
    return WIRE_OK;
}

static enum wire_status fill(struct call *call, const struct call_spec *spec, struct wire_error *error)
{
    static const struct tilery_call_options no_options;
    const struct tilery_call_options *options = spec->options != NULL ? spec->options : &no_options;
    uint64_t now = wire_now_ns();

    call->method = spec->method;
    call->deadline_ns = wire_after(now, options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS);
    call->work_until_ns = spec->work_until_ns != 0 ? spec->work_until_ns : call->deadline_ns;
    call->connect_ns = wire_after(now, call->client->connect_timeout_ms);
    call->wait_for_ready = options->wait_for_ready;
    if (call->wait_for_ready || call->connect_ns > call->deadline_ns)
        call->connect_ns = call->deadline_ns;
    call->only = spec->only;
    call->server = NULL;
    call->attempts = 0;
    call->one_id = spec->one_id;
    call->own_id[0] = '\0';
    call->retry = spec->retry;
    call->patient = spec->patient;
    call->lost = spec->lost;
    call->tell = spec->tell || (spec->only == NULL && !spec->lost);
    call->cancelled = false;
    if (call_check_id(options->request_id, error) != WIRE_OK)
        return error->status;
    call->request_id[0] = '\0';
    if (options->request_id != NULL)
        (void)snprintf(call->request_id, sizeof call->request_id, "%s", options->request_id);
    return keep_message(call, spec->request, options->traceparent, error);
}

static struct call *new_call(tilery_client *client, bool waited)
{
    struct call *call = calloc(1, sizeof *call);
    void (*callback)(void *arg) = waited ? NULL : on_nng;

    if (call == NULL)
        return NULL;
    call->client = client;
    call->waited = waited;
    if (nng_aio_alloc(&call->send_now, NULL, NULL) != 0 || nng_aio_alloc(&call->aio, callback, call) != 0 ||
        nng_aio_alloc(&call->timer, callback, call) != 0) {
        call_free(call);
        return NULL;
    }
    nng_aio_set_timeout(call->send_now, NNG_DURATION_ZERO);
    return call;
}

/* Among the active ones, from the idle ones or new. */
static struct call *take_call(tilery_client *client, bool waited)
{
    struct call *call;

    pthread_mutex_lock(&client->mutex);
    call = client->idle[waited];
    if (call != NULL)
        client->idle[waited] = call->next;
    else
        call = new_call(client, waited);
    if (call != NULL)
        enter(call);
    pthread_mutex_unlock(&client->mutex);
    return call;
}

enum wire_status call_begin(tilery_client *client, const struct call_spec *spec, call_done_fn *done,
                            void *arg, struct call **out, struct wire_error *error)
{
    struct call *call = take_call(client, done == NULL);

    if (call == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    call->done = done;
    call->arg = arg;
    *out = call;
    if (fill(call, spec, error) == WIRE_OK && call_set_out(call, error) == WIRE_OK)
        return WIRE_OK;
    call_end(call);
    return error->status;
}

enum wire_status call_start(tilery_client *client, const struct call_spec *spec, call_done_fn *done,
                            void *arg, struct wire_error *error)
{
    struct call *call;

    return call_begin(client, spec, done, arg, &call, error);
}

enum wire_status call_pause(tilery_client *client, uint64_t ms, call_done_fn *done, void *arg,
                            struct wire_error *error)
{
    struct call *call = take_call(client, false);

    if (call == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    call->done = done;
    call->arg = arg;
    call->method = NULL;
    call->request_id[0] = '\0';
    call->server = NULL;
    if (call_sleep(call, ms))
        return WIRE_OK;
    call_end(call);
    return wire_error_set(error, WIRE_CANCELLED, "the client is closed");
}

void call_wake(tilery_client *client, const void *arg)
{
    pthread_mutex_lock(&client->mutex);
    for (struct call *call = client->active; call != NULL; call = call->next)
        if (call->state == CALL_PAUSING && call->method == NULL && call->arg == arg)
            nng_aio_cancel(call->timer);
    pthread_mutex_unlock(&client->mutex);
}

static bool is_overdue(uint64_t cancelled_ns, uint64_t now)
{
    return cancelled_ns != 0 && now - cancelled_ns >= CANCEL_MS * NS_PER_MS;
}

/* The mutex is held. True when it was waiting or pausing. */
static bool give_up(struct call *call, uint64_t now)
{
    bool paused = call->state == CALL_WAITING || call->state == CALL_PAUSING;

    if (!call->cancelled)
        call->cancelled_ns = now;
    call->cancelled = true;
    if (paused)
        nng_aio_cancel(call->timer);
    else if (call->context != NULL && is_overdue(call->cancelled_ns, now))
        context_end(call->context);
    return paused;
}

bool call_give_up(tilery_client *client, const char *request_id)
{
    bool paused = false;
    uint64_t now;

    pthread_mutex_lock(&client->mutex);
    now = wire_now_ns(); /* not before what another thread has cancelled meanwhile */
    for (struct call *call = client->active; call != NULL; call = call->next)
        if (call->state != CALL_IDLE &&
            strcmp(call->request_id, request_id) == 0) /* idle: it is about to begin */
            paused |= give_up(call, now);
    for (struct open_run *run = client->runs; run != NULL; run = run->next)
        if (run->cancelled_ns == 0 && strcmp(run->id, request_id) == 0)
            run->cancelled_ns = now;
    pthread_mutex_unlock(&client->mutex);
    return paused;
}

bool client_run_is_overdue(tilery_client *client, const struct open_run *run)
{
    bool overdue;

    pthread_mutex_lock(&client->mutex);
    overdue = is_overdue(run->cancelled_ns, wire_now_ns());
    pthread_mutex_unlock(&client->mutex);
    return overdue;
}

bool call_is_under_way(tilery_client *client, const char *request_id)
{
    bool found = false;

    if (request_id == NULL || request_id[0] == '\0')
        return false;
    pthread_mutex_lock(&client->mutex);
    for (struct call *call = client->active; call != NULL && !found; call = call->next)
        found = (call->state == CALL_SENDING || call->state == CALL_RECEIVING) &&
                strcmp(call->request_id, request_id) == 0;
    pthread_mutex_unlock(&client->mutex);
    return found;
}
