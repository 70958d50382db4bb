/* Calls over a client's connection: one REQ context a call, reused call after call. */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "connection.h"
#include "wire/clock.h"
#include "wire/limits.h"
#include "wire/token.h"

/* The server's own word on the deadline is given so long to arrive. */
#define DEADLINE_SLACK_MS 25

static void unlink_active(tilery_client *client, struct call *call)
{
    *(call->prev != NULL ? &call->prev->next : &client->active) = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
}

void call_end(struct call *call)
{
    tilery_client *client = call->client;

    pthread_mutex_lock(&client->mutex);
    unlink_active(client, call);
    call->next = client->idle;
    client->idle = call;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

static void set_failure(const struct call *call, int result, struct wire_error *error)
{
    const char *server = call->client->server;

    if (result == NNG_ETIMEDOUT && wire_now_ns() >= call->deadline_ns)
        wire_error_set(error, WIRE_DEADLINE_EXCEEDED, "no reply from %s within the request's time", server);
    else if (result == NNG_ETIMEDOUT)
        wire_error_set(error, WIRE_UNAVAILABLE, "no connection to %s", server);
    else if (result == NNG_ECANCELED || result == NNG_ECLOSED)
        wire_error_set(error, WIRE_CANCELLED, "the client was closed");
    else if (result == NNG_ENOMEM)
        wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    else
        wire_error_set(error, WIRE_UNAVAILABLE, "the connection to %s was lost before the reply: %s", server,
                       nng_strerror(result));
}

/* What is left of the time, for nng; at most a day, so that it fits. */
static nng_duration time_left(uint64_t deadline_ns, uint64_t slack_ms)
{
    uint64_t now = wire_now_ns(), left;

    if (deadline_ns == UINT64_MAX)
        return NNG_DURATION_INFINITE;
    left = (deadline_ns > now ? (deadline_ns - now) / NS_PER_MS : 0) + slack_ms;
    return (nng_duration)(left < 86400000 ? left : 86400000);
}

/* nng 1.5.2 crashes when a receive is cancelled whose send has not ended: so one follows the other. */
static bool start_receiving(struct call *call)
{
    tilery_client *client = call->client;
    bool closing;

    pthread_mutex_lock(&client->mutex);
    closing = client->closing;
    if (!closing) {
        call->state = CALL_RECEIVING;
        nng_aio_set_timeout(call->aio, time_left(call->deadline_ns, DEADLINE_SLACK_MS));
        nng_ctx_recv(call->ctx, call->aio);
    }
    pthread_mutex_unlock(&client->mutex);
    return !closing;
}

bool call_go_on(struct call *call, nng_msg **reply, struct wire_error *error)
{
    int result = nng_aio_result(call->aio);
    nng_msg *msg = nng_aio_get_msg(call->aio);

    *reply = NULL;
    if (result == 0 && call->state == CALL_SENDING) {
        if (start_receiving(call))
            return false;
        result = NNG_ECANCELED;
        msg = NULL;
    }
    nng_aio_set_msg(call->aio, NULL);
    if (result == 0) {
        *reply = msg;
        return true;
    }
    if (call->state == CALL_SENDING && msg != NULL)
        nng_msg_free(msg);
    set_failure(call, result, error);
    return true;
}

static void on_aio(void *arg)
{
    struct call *call = arg;
    struct wire_error error;
    nng_msg *reply;

    if (!call_go_on(call, &reply, &error))
        return;
    call->done(call->arg, reply, reply != NULL ? NULL : &error);
    call_end(call);
}

void client_free_call(struct call *call)
{
    nng_aio_free(call->told);
    nng_aio_free(call->waited);
    nng_ctx_close(call->ctx);
    free(call);
}

static struct call *new_call(tilery_client *client)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->client = client;
    if (nng_aio_alloc(&call->told, on_aio, call) == 0 && nng_aio_alloc(&call->waited, NULL, NULL) == 0 &&
        nng_ctx_open(&call->ctx, client->socket) == 0)
        return call;
    nng_aio_free(call->told);
    nng_aio_free(call->waited);
    free(call);
    return NULL;
}

void call_random_id(char id[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort(); /* cannot happen for so few bytes once the kernel has started */
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[32] = '\0';
}

static enum wire_status make_frame(const tilery_client *client, const char *method,
                                   const ProtobufCMessage *request, const struct tilery_call_options *options,
                                   nng_msg **out, struct wire_error *error)
{
    struct wire_metadata metadata[2];
    char id[33];
    struct wire_request head = {.method = method,
                                .has_timeout = options->timeout_ms != 0,
                                .timeout_ms = options->timeout_ms,
                                .request_id = options->request_id != NULL ? options->request_id : id,
                                .metadata = metadata};
    size_t payload = protobuf_c_message_get_packed_size(request), size;

    if (options->traceparent != NULL)
        metadata[head.metadata_count++] = (struct wire_metadata){"traceparent", options->traceparent};
    if (client->authorization != NULL)
        metadata[head.metadata_count++] = (struct wire_metadata){WIRE_AUTHORIZATION, client->authorization};
    if (options->request_id == NULL)
        call_random_id(id);
    size = wire_request_size(&head, payload);
    if (size > WIRE_MAX_REQUEST_BYTES)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "the request takes %zu bytes; at most %llu are allowed", size,
                              (unsigned long long)WIRE_MAX_REQUEST_BYTES);
    if (nng_msg_alloc(out, size) != 0)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    (void)protobuf_c_message_pack(request, wire_request_pack(&head, payload, nng_msg_body(*out)));
    return WIRE_OK;
}

/* The mutex is held. Waits until the first attempt to connect is over, but not past the time. */
static void wait_settled(tilery_client *client, uint64_t until_ns)
{
    while (!client->settled && !client->closing && client_wait_changed(client, until_ns))
        continue;
}

/* The mutex is held. */
static enum wire_status check_connected(const tilery_client *client, struct wire_error *error)
{
    if (client->closing)
        return wire_error_set(error, WIRE_CANCELLED, "the client is closed");
    if (client->settled && !client->connected)
        return client_explain_failure(client->server, client->failure, error);
    return WIRE_OK;
}

/* An active call in the client's list, from the idle ones or new. */
static struct call *take_call(tilery_client *client)
{
    struct call *call = client->idle;

    if (call != NULL)
        client->idle = call->next;
    else
        call = new_call(client);
    if (call == NULL)
        return NULL;
    call->prev = NULL;
    call->next = client->active;
    if (client->active != NULL)
        client->active->prev = call;
    client->active = call;
    return call;
}

enum wire_status call_begin(tilery_client *client, const char *method, const ProtobufCMessage *request,
                            const struct tilery_call_options *options, bool wait, call_done_fn *done,
                            void *arg, struct call **out, struct wire_error *error)
{
    static const struct tilery_call_options no_options;
    uint64_t connect_ns = wire_after_ms(client->connect_timeout_ms), deadline_ns;
    struct call *call = NULL;
    nng_msg *msg;

    if (options == NULL)
        options = &no_options;
    if (make_frame(client, method, request, options, &msg, error) != WIRE_OK)
        return error->status;
    deadline_ns = options->timeout_ms != 0 ? wire_after_ms(options->timeout_ms) : UINT64_MAX;
    if (connect_ns > deadline_ns)
        connect_ns = deadline_ns;
    pthread_mutex_lock(&client->mutex);
    client->starting++;
    if (wait)
        wait_settled(client, connect_ns);
    if (--client->starting == 0 && client->closing)
        pthread_cond_broadcast(&client->changed);
    if (check_connected(client, error) == WIRE_OK) {
        call = take_call(client);
        if (call == NULL)
            wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    }
    if (call != NULL) {
        call->state = CALL_SENDING;
        call->deadline_ns = deadline_ns;
        call->done = done;
        call->arg = arg;
        call->aio = done != NULL ? call->told : call->waited;
        nng_aio_set_timeout(call->aio, time_left(connect_ns, 1));
        nng_aio_set_msg(call->aio, msg);
        nng_ctx_send(call->ctx, call->aio);
    }
    pthread_mutex_unlock(&client->mutex);
    *out = call;
    if (call != NULL)
        return WIRE_OK;
    nng_msg_free(msg);
    return error->status;
}

enum wire_status call_start(tilery_client *client, const char *method, const ProtobufCMessage *request,
                            const struct tilery_call_options *options, bool wait, call_done_fn *done,
                            void *arg, struct wire_error *error)
{
    struct call *call;

    return call_begin(client, method, request, options, wait, done, arg, &call, error);
}
