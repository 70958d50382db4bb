/* Blocking calls, and what a reply holds. */
#include <pthread.h>

#include "internal.h"

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over;
    nng_msg *reply;
    struct wire_error error;
};

static void wake(void *arg, nng_msg *reply, const struct wire_error *error)
{
    struct waiter *waiter = arg;

    pthread_mutex_lock(&waiter->mutex);
    waiter->reply = reply;
    if (error != NULL)
        waiter->error = *error;
    waiter->over = true;
    pthread_cond_signal(&waiter->ended);
    pthread_mutex_unlock(&waiter->mutex);
}

enum wire_status call_blocking(tilery_client *client, const char *method, const ProtobufCMessage *request,
                               const struct tilery_call_options *options, nng_msg **reply,
                               struct wire_error *error)
{
    struct waiter waiter = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    enum wire_status status = call_start(client, method, request, options, true, wake, &waiter, error);

    *reply = NULL;
    if (status != WIRE_OK)
        return status;
    pthread_mutex_lock(&waiter.mutex);
    while (!waiter.over)
        pthread_cond_wait(&waiter.ended, &waiter.mutex);
    pthread_mutex_unlock(&waiter.mutex);
    pthread_cond_destroy(&waiter.ended);
    pthread_mutex_destroy(&waiter.mutex);
    *reply = waiter.reply;
    if (waiter.reply != NULL)
        return WIRE_OK;
    *error = waiter.error;
    return error->status;
}

enum wire_status call_decode(nng_msg *msg, const ProtobufCMessageDescriptor *type, struct wire_arena *arena,
                             struct wire_reply *head, ProtobufCMessage **payload, struct wire_error *error)
{
    enum wire_status status = wire_reply_unpack(arena, nng_msg_body(msg), nng_msg_len(msg), head, error);

    *payload = NULL;
    nng_msg_free(msg);
    if (status != WIRE_OK)
        return status;
    if (head->status != WIRE_OK) {
        wire_error_set(error, head->status, "%s", head->message);
        error->retry_after_ms = head->retry_after_ms;
        return error->status;
    }
    *payload = protobuf_c_message_unpack(type, &arena->allocator, head->payload_len, head->payload);
    if (*payload == NULL)
        return wire_error_set(error, WIRE_INTERNAL,
                              arena->refused ? "the reply does not fit the memory of one reply"
                                             : "the reply's payload is not a %s",
                              type->name);
    return WIRE_OK;
}
