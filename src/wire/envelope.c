#include "wire/envelope.h"

#include <string.h>

#include "wire/check.h"
#include "wire/limits.h"
#include "wire/varint.h"

#include "rpc.pb-c.h"

typedef Tilery__V1__RpcRequest RpcRequest;
typedef Tilery__V1__RpcReply RpcReply;
typedef Tilery__V1__Metadata Metadata;

#define REQUEST_PAYLOAD 2u
#define REPLY_PAYLOAD 3u

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

enum wire_status wire_unpack_failed(const struct wire_arena *arena, enum wire_status status,
                                    const char *frame, const char *part, const char *type,
                                    struct wire_error *error)
{
    if (arena->starved)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory to unpack %s; try again", part);
    if (arena->refused)
        return wire_error_set(error, status, "%s does not fit the memory of one %s", part, frame);
    return wire_error_set(error, status, "%s is not a %s", part, type);
}

static enum wire_status copy_metadata(struct wire_arena *arena, const RpcRequest *message,
                                      struct wire_request *out, struct wire_error *error)
{
    struct wire_metadata *list;

    if (message->n_metadata > WIRE_MAX_METADATA)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "metadata has %zu entries; at most %d are allowed", message->n_metadata,
                              WIRE_MAX_METADATA);
    list = wire_arena_alloc(arena, message->n_metadata * sizeof *list);
    if (list == NULL)
        return wire_unpack_failed(arena, WIRE_INVALID_ARGUMENT, "request", "the request", "", error);
    for (size_t i = 0; i < message->n_metadata; i++) {
        list[i].key = text_or_empty(message->metadata[i]->key);
        list[i].value = text_or_empty(message->metadata[i]->value);
    }
    out->metadata = list;
    out->metadata_count = message->n_metadata;
    return WIRE_OK;
}

enum wire_status wire_check_request_id(const char *id, struct wire_error *error)
{
    size_t len = strlen(id);

    if (len > WIRE_MAX_REQUEST_ID)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "request_id has %zu characters; at most %d are allowed", len,
                              WIRE_MAX_REQUEST_ID);
    for (size_t i = 0; i < len; i++)
        if (id[i] <= ' ' || id[i] > '~')
            return wire_error_set(
                error, WIRE_INVALID_ARGUMENT,
                "request_id holds the byte 0x%02x; it must be printable ASCII without spaces",
                (unsigned char)id[i]);
    return WIRE_OK;
}

enum wire_status wire_request_unpack(struct wire_arena *arena, const uint8_t *bytes, size_t len,
                                     struct wire_request *out, struct wire_error *error)
{
    const RpcRequest *message = tilery__v1__rpc_request__unpack(&arena->allocator, len, bytes);

    *out = (struct wire_request){.method = "", .request_id = ""};
    if (message == NULL)
        return wire_unpack_failed(arena, WIRE_INVALID_ARGUMENT, "request", "the request",
                                  "tilery.v1.RpcRequest", error);
    *out = (struct wire_request){.method = text_or_empty(message->method),
                                 .payload = message->payload.data,
                                 .payload_len = message->payload.len,
                                 .has_timeout = message->has_timeout_ms,
                                 .timeout_ms = message->timeout_ms,
                                 .request_id = text_or_empty(message->request_id)};
    if (wire_check_fields(&tilery__v1__rpc_request__descriptor, bytes, len, error) != WIRE_OK ||
        wire_check_request_id(out->request_id, error) != WIRE_OK)
        return error->status;
    return copy_metadata(arena, message, out, error);
}

size_t wire_find_last(const uint8_t *bytes, size_t len, unsigned field, const uint8_t **value)
{
    const uint8_t *at = bytes, *end = bytes + len, *begin;
    uint64_t key, size;

    while (at < end) {
        begin = at;
        if (!wire_get_varint(&at, end, &key) || !wire_get_varint(&at, end, &size))
            return len;
        if ((key & 7) == WIRE_VARINT)
            continue;
        if ((key & 7) != WIRE_LENGTH_DELIMITED || size > (size_t)(end - at))
            return len;
        if (key >> 3 == field && size == (size_t)(end - at)) {
            *value = at;
            return (size_t)(begin - bytes);
        }
        at += size;
    }
    return len;
}

enum wire_status wire_reply_unpack(struct wire_arena *arena, const uint8_t *bytes, size_t len,
                                   struct wire_reply *out, struct wire_error *error)
{
    const uint8_t *payload = NULL;
    size_t head = wire_find_last(bytes, len, REPLY_PAYLOAD, &payload);
    const RpcReply *message = tilery__v1__rpc_reply__unpack(&arena->allocator, head, bytes);

    *out = (struct wire_reply){.status = WIRE_INTERNAL, .message = ""};
    if (message == NULL)
        return wire_unpack_failed(arena, WIRE_INTERNAL, "reply", "the reply", "tilery.v1.RpcReply", error);
    if (wire_check_fields(&tilery__v1__rpc_reply__descriptor, bytes, head, error) != WIRE_OK)
        return error->status = WIRE_INTERNAL;
    *out = (struct wire_reply){.status = (enum wire_status)message->status,
                               .message = text_or_empty(message->message),
                               .payload = payload != NULL ? payload : message->payload.data,
                               .payload_len =
                                   payload != NULL ? (size_t)(bytes + len - payload) : message->payload.len,
                               .retry_after_ms = message->retry_after_ms,
                               .queue_ns = message->queue_ns,
                               .run_ns = message->run_ns};
    return WIRE_OK;
}

/* protobuf encoding, varint: https://protobuf.dev/programming-guides/encoding/ */
static size_t varint_size(size_t value)
{
    size_t n = 1;

    while (value >= 0x80) {
        value >>= 7;
        n++;
    }
    return n;
}

static uint8_t *put_varint(uint8_t *out, size_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_length_delimited(uint8_t *out, unsigned field, size_t len)
{
    *out++ = (uint8_t)WIRE_KEY(field, WIRE_LENGTH_DELIMITED);
    return put_varint(out, len);
}

/* A message that ends with a field of type bytes, whichever its number: any order of fields is valid. */
static size_t size_with_last(const ProtobufCMessage *head, size_t len)
{
    return protobuf_c_message_get_packed_size(head) + 1 + varint_size(len) + len;
}

/* All but the value, whose place it returns. */
static uint8_t *pack_with_last(const ProtobufCMessage *head, unsigned field, size_t len, uint8_t *out)
{
    out += protobuf_c_message_pack(head, out);
    return put_length_delimited(out, field, len);
}

/* protobuf-c's structs hold pointers that are not const, though packing only reads. */
static char *unconst(const char *text)
{
    return text[0] != '\0' ? (char *)(uintptr_t)text : NULL;
}

struct request_message {
    RpcRequest message;
    Metadata metadata[WIRE_MAX_METADATA], *pointers[WIRE_MAX_METADATA];
};

static const ProtobufCMessage *request_message(const struct wire_request *head, struct request_message *out)
{
    tilery__v1__rpc_request__init(&out->message);
    out->message.method = unconst(head->method);
    out->message.has_timeout_ms = head->has_timeout;
    out->message.timeout_ms = head->timeout_ms;
    out->message.request_id = unconst(head->request_id);
    for (size_t i = 0; i < head->metadata_count; i++) {
        tilery__v1__metadata__init(&out->metadata[i]);
        out->metadata[i].key = unconst(head->metadata[i].key);
        out->metadata[i].value = unconst(head->metadata[i].value);
        out->pointers[i] = &out->metadata[i];
    }
    out->message.metadata = out->pointers;
    out->message.n_metadata = head->metadata_count;
    return &out->message.base;
}

static RpcReply reply_message(const struct wire_reply *head)
{
    RpcReply message = TILERY__V1__RPC_REPLY__INIT;

    message.has_status = head->status != WIRE_OK;
    message.status = (Tilery__V1__Code)head->status;
    message.message = unconst(head->message);
    message.has_retry_after_ms = head->retry_after_ms != 0;
    message.retry_after_ms = head->retry_after_ms;
    message.has_queue_ns = head->queue_ns != 0;
    message.queue_ns = head->queue_ns;
    message.has_run_ns = head->run_ns != 0;
    message.run_ns = head->run_ns;
    return message;
}

size_t wire_request_size(const struct wire_request *head, size_t payload_len)
{
    struct request_message space;

    return head->metadata_count <= WIRE_MAX_METADATA
               ? size_with_last(request_message(head, &space), payload_len)
               : 0;
}

size_t wire_reply_size(const struct wire_reply *head, size_t payload_len)
{
    RpcReply message = reply_message(head);

    return size_with_last(&message.base, payload_len);
}

uint8_t *wire_request_pack(const struct wire_request *head, size_t payload_len, uint8_t *out)
{
    struct request_message space;

    return pack_with_last(request_message(head, &space), REQUEST_PAYLOAD, payload_len, out);
}

uint8_t *wire_reply_pack(const struct wire_reply *head, size_t payload_len, uint8_t *out)
{
    RpcReply message = reply_message(head);

    return pack_with_last(&message.base, REPLY_PAYLOAD, payload_len, out);
}

size_t wire_element_size(const ProtobufCMessage *element)
{
    size_t len = protobuf_c_message_get_packed_size(element);

    return 1 + varint_size(len) + len;
}

uint8_t *wire_element_pack(unsigned field, const ProtobufCMessage *element, uint8_t *out)
{
    out = put_length_delimited(out, field, protobuf_c_message_get_packed_size(element));
    return out + protobuf_c_message_pack(element, out);
}

/* The same number, in a byte more. */
static uint8_t *lengthen_varint(uint8_t *end)
{
    end[-1] |= 0x80;
    *end++ = 0;
    return end;
}

uint8_t *wire_element_pack_head(unsigned field, const ProtobufCMessage *head, unsigned last, size_t last_len,
                                uint8_t *out)
{
    size_t shortest = size_with_last(head, last_len), len = shortest;

    while ((1 + varint_size(len) + len) % 2 != 0) /* twice, where len's own number becomes longer */
        len++;
    out = put_length_delimited(out, field, len);
    out = pack_with_last(head, last, last_len, out);
    for (; len > shortest; len--)
        out = lengthen_varint(out);
    return out;
}
