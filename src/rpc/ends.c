/* How a call ends: its reply is packed, told of, and given to nng. */
#include "rpc/internal.h"
#include "wire/clock.h"
#include "wire/limits.h"

#define SMALL_BYTES 4096u

/* The connection stays the call's until its reply is sent, so that its name can be read without the lock. */
static void tell_end(const struct rpc_call *call, const struct wire_reply *head, size_t reply_bytes)
{
    const struct rpc_server_options *options = &call->server->options;

    if (options->on_end == NULL)
        return;
    options->on_end(options->on_end_arg, &(struct rpc_ended){.method = call->method,
                                                             .request = &call->request,
                                                             .peer = call->peer->name,
                                                             .status = head->status,
                                                             .message = head->message,
                                                             .queue_ns = call->queue_ns,
                                                             .run_ns = call->run_ns,
                                                             .total_ns = call->ended_ns - call->arrived_ns,
                                                             .has_items = call->has_items,
                                                             .items = call->items,
                                                             .target = call->target,
                                                             .request_bytes = call->request_bytes,
                                                             .reply_bytes = reply_bytes});
}

/* A small request's frame, where it is still there, becomes the reply's. NULL: there is no memory. */
static nng_msg *make_frame(struct rpc_call *call, size_t size)
{
    nng_msg *msg = call->frame;

    if (msg == NULL || call->request_bytes > SMALL_BYTES || nng_msg_realloc(msg, size) != 0) {
        rpc_call_drop_frame(call);
        return nng_msg_alloc(&msg, size) == 0 ? msg : NULL;
    }
    call->frame = NULL;
    return msg;
}

/* False: there is no memory for that reply. */
static bool try_to_end(struct rpc_call *call, const struct wire_reply *head, size_t size,
                       void (*write)(void *arg, uint8_t *out), void *arg)
{
    size_t frame = wire_reply_size(head, size);
    nng_msg *msg = make_frame(call, frame);

    if (msg == NULL)
        return false;
    write(arg, wire_reply_pack(head, size, nng_msg_body(msg)));
    call->ended_ns = wire_now_ns();
    tell_end(call, head, frame);
    rpc_call_send(call, msg);
    return true;
}

static void write_nothing(void *arg, uint8_t *out)
{
    (void)arg;
    (void)out;
}

/* Where there is no memory for a reply, there may be some to say so. */
static void end(struct rpc_call *call, const struct wire_reply *head, size_t size,
                void (*write)(void *arg, uint8_t *out), void *arg)
{
    const struct wire_reply no_memory = {.status = WIRE_RESOURCE_EXHAUSTED,
                                         .message = "no memory for the reply; try again",
                                         .retry_after_ms = WIRE_RETRY_AFTER_MS,
                                         .queue_ns = call->queue_ns,
                                         .run_ns = call->run_ns};

    if (try_to_end(call, head, size, write, arg) || try_to_end(call, &no_memory, 0, write_nothing, NULL))
        return;
    call->ended_ns = wire_now_ns();
    tell_end(call, &no_memory, 0);
    rpc_call_drop(call);
}

void rpc_call_fail(struct rpc_call *call, const struct wire_error *error)
{
    end(call,
        &(struct wire_reply){.status = error->status,
                             .message = error->message,
                             .retry_after_ms = error->retry_after_ms,
                             .queue_ns = call->queue_ns,
                             .run_ns = call->run_ns},
        0, write_nothing, NULL);
}

void rpc_call_reply_packed(struct rpc_call *call, size_t size, void (*write)(void *arg, uint8_t *out),
                           void *arg)
{
    struct wire_error error;

    if (size > WIRE_MAX_REPLY_BYTES / 2)
        wire_error_set(&error, WIRE_INTERNAL, "the reply would take %zu bytes; at most %llu are sent", size,
                       (unsigned long long)WIRE_MAX_REPLY_BYTES / 2);
    if (size > WIRE_MAX_REPLY_BYTES / 2 || rpc_call_reserve(call, size, &error) != WIRE_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    end(call, &(struct wire_reply){.message = "", .queue_ns = call->queue_ns, .run_ns = call->run_ns}, size,
        write, arg);
}

static void write_message(void *arg, uint8_t *out)
{
    (void)protobuf_c_message_pack(arg, out);
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *reply)
{
    rpc_call_reply_packed(call, protobuf_c_message_get_packed_size(reply), write_message,
                          (void *)(uintptr_t)reply);
}
