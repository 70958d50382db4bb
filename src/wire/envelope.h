#ifndef TILERY_WIRE_ENVELOPE_H
#define TILERY_WIRE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/arena.h"
#include "wire/status.h"

/*
 * The envelope (RpcRequest, RpcReply) as plain structs. Unpacked structs point into the arena they were
 * unpacked in.
 *
 * Packing is in two steps so that a payload is written once, straight into the frame that is sent: ask for
 * the frame's size, given the payload's; then pack the head and write the payload where the packer says.
 */
struct wire_metadata {
    const char *key, *value; /* never NULL */
};

struct wire_request {
    const char *method;
    const uint8_t *payload; /* unpacked only: the packer returns the place for it */
    size_t payload_len;
    bool has_timeout;
    uint64_t timeout_ms;
    const char *request_id; /* "" when absent */
    const struct wire_metadata *metadata;
    size_t metadata_count;
};

struct wire_reply {
    enum wire_status status;
    const char *message; /* "" when absent */
    const uint8_t *payload;
    size_t payload_len;
    uint64_t retry_after_ms, queue_ns, run_ns; /* 0 when absent */
};

/* A request's name: at most WIRE_MAX_REQUEST_ID printable characters of ASCII, no spaces; may be empty. Else
 * INVALID_ARGUMENT. */
WIRE_MUST_USE enum wire_status wire_check_request_id(const char *id, struct wire_error *error);

/*
 * Why a part of a frame (a "request", a "reply") was not unpacked: the machine had no memory for it, which is
 * RESOURCE_EXHAUSTED; it does not fit the arena's budget, or is not of that type, which is the status.
 */
enum wire_status wire_unpack_failed(const struct wire_arena *arena, enum wire_status status,
                                    const char *frame, const char *part, const char *type,
                                    struct wire_error *error);

/* INVALID_ARGUMENT for bytes that are not the message, that break its rules or do not fit the arena's budget;
 * RESOURCE_EXHAUSTED without memory. */
WIRE_MUST_USE enum wire_status wire_request_unpack(struct wire_arena *arena, const uint8_t *bytes, size_t len,
                                                   struct wire_request *out, struct wire_error *error);
/* INTERNAL likewise. Of a reply whose payload comes last, as ours do, the payload stays where it is, in
 * bytes: it may be large. */
WIRE_MUST_USE enum wire_status wire_reply_unpack(struct wire_arena *arena, const uint8_t *bytes, size_t len,
                                                 struct wire_reply *out, struct wire_error *error);

/* The bytes of the whole frame around a payload of payload_len bytes; 0 for a request of more than
 * WIRE_MAX_METADATA entries, which is not to be packed. */
size_t wire_request_size(const struct wire_request *head, size_t payload_len);
size_t wire_reply_size(const struct wire_reply *head, size_t payload_len);

/* Writes all but the payload to out, which has room for the whole frame, and returns where the payload goes.
 */
uint8_t *wire_request_pack(const struct wire_request *head, size_t payload_len, uint8_t *out);
uint8_t *wire_reply_pack(const struct wire_reply *head, size_t payload_len, uint8_t *out);

/*
 * Where the message ends with that field, of type bytes: what comes before it, and where its value begins;
 * len where it does not, or is not plain enough to tell. protobuf-c checks the rest.
 */
size_t wire_find_last(const uint8_t *bytes, size_t len, unsigned field, const uint8_t **value);

/*
 * One element of a repeated message field, written on its own: a list of any length is packed in the memory
 * of one element. The field number is below 16.
 */
size_t wire_element_size(const ProtobufCMessage *element);
uint8_t *wire_element_pack(unsigned field, const ProtobufCMessage *element, uint8_t *out);

/*
 * The same of an element that is to end with a field of type bytes, which is absent in head; the number of
 * that is below 16, too. Writes all but its value, which follows, and returns the end. The whole is of an
 * even length, for which the value's length has a byte or two too many, where it must: of values of an even
 * length in such elements, one behind the other, all lie even if the first does.
 */
uint8_t *wire_element_pack_head(unsigned field, const ProtobufCMessage *head, unsigned last, size_t last_len,
                                uint8_t *out);

#endif
