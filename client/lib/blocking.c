/* Blocking calls, and what a reply holds. */
#include <string.h>

#include "connection.h"

enum wire_status call_blocking(tilery_client *client, const struct call_spec *spec, nng_msg **reply,
                               struct server **server, struct wire_error *error)
{
    struct call *call;

    *reply = NULL;
    if (call_begin(client, spec, NULL, NULL, &call, error) != WIRE_OK)
        return error->status;
    do
        nng_aio_wait(call_pending(call));
    while (!call_go_on(call));
    *reply = call->reply;
    if (server != NULL)
        *server = call->server;
    if (*reply == NULL)
        *error = call->error;
    call_end(call);
    return *reply != NULL ? WIRE_OK : error->status;
}

enum wire_status call_unwrap(nng_msg *msg, struct wire_arena *arena, struct wire_reply *head,
                             struct wire_error *error)
{
    if (wire_reply_unpack(arena, nng_msg_body(msg), nng_msg_len(msg), head, error) != WIRE_OK)
        return error->status;
    if (head->status != WIRE_OK) {
        error->status = head->status;
        (void)wire_quote(error->message, sizeof error->message, head->message);
        error->retry_after_ms = head->retry_after_ms;
    }
    return head->status;
}

static enum wire_status decode(nng_msg *msg, const ProtobufCMessageDescriptor *type, struct wire_arena *arena,
                               struct wire_reply *head, ProtobufCMessage **payload, struct wire_error *error)
{
    if (call_unwrap(msg, arena, head, error) != WIRE_OK)
        return error->status;
    *payload = protobuf_c_message_unpack(type, &arena->allocator, head->payload_len, head->payload);
    if (*payload == NULL)
        return wire_unpack_failed(arena, WIRE_INTERNAL, "reply", "the reply's payload", type->name, error);
    return WIRE_OK;
}

enum wire_status call_decode(nng_msg *msg, const ProtobufCMessageDescriptor *type, struct wire_arena *arena,
                             struct wire_reply *head, ProtobufCMessage **payload, struct wire_error *error)
{
    enum wire_status status;

    *payload = NULL;
    status = decode(msg, type, arena, head, payload, error);
    head->payload = NULL; /* it may have been part of the frame */
    nng_msg_free(msg);
    return status;
}

void call_make_printable(char *text)
{
    if (text != NULL)
        (void)wire_quote(text, strlen(text) + 1, text);
}
