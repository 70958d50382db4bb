#include "wire/check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "wire/varint.h"

#define MAX_DEPTH 8

/* protobuf encoding: https://protobuf.dev/programming-guides/encoding/ */

struct reader {
    const uint8_t *at, *end;
};

struct varint {
    uint64_t value;
    bool cut; /* it has more than 64 bits */
};

static enum wire_status check_message(const ProtobufCMessageDescriptor *type, struct reader in,
                                      unsigned depth, struct wire_error *error);

static bool read_varint(struct reader *in, struct varint *out)
{
    const uint8_t *begin = in->at;

    *out = (struct varint){.value = 0};
    if (!wire_get_varint(&in->at, in->end, &out->value))
        return false;
    out->cut = in->at - begin == 10 && in->at[-1] > 1;
    return true;
}

/* Takes len bytes out of the reader. */
static bool read_bytes(struct reader *in, uint64_t len, struct reader *out)
{
    if (len > (size_t)(in->end - in->at))
        return false;
    *out = (struct reader){in->at, in->at + len};
    in->at += len;
    return true;
}

enum wire_status wire_check_enum(const ProtobufCEnumDescriptor *type, const char *field, int64_t value,
                                 struct wire_error *error)
{
    const ProtobufCEnumValue *first = &type->values[0], *last = &type->values[type->n_values - 1];

    if (value >= first->value && value <= last->value)
        return WIRE_OK;
    return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                          "%s is %" PRId64 "; it must be from %d (%s) to %d (%s)", field, value, first->value,
                          first->name, last->value, last->name);
}

/* Others than the enum's values may come from whoever knows more of them. */
static enum wire_status check_width(const ProtobufCFieldDescriptor *field, int64_t value,
                                    struct wire_error *error)
{
    if (value >= INT32_MIN && value <= INT32_MAX)
        return WIRE_OK;
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return wire_check_enum(field->descriptor, field->name, value, error);
    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s is %" PRId64 "; it must be from %d to %d",
                          field->name, value, INT32_MIN, INT32_MAX);
}

static enum wire_status check_unsigned(const char *name, uint64_t value, uint32_t max,
                                       struct wire_error *error)
{
    if (value <= max)
        return WIRE_OK;
    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s is %" PRIu64 "; it must be from 0 to %" PRIu32,
                          name, value, max);
}

static enum wire_status check_varint(const ProtobufCFieldDescriptor *field, struct varint number,
                                     struct wire_error *error)
{
    if (number.cut)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s has more than 64 bits; it must be below 2^64",
                              field->name);
    switch (field->type) {
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
        return check_width(field, (int64_t)number.value, error);
    case PROTOBUF_C_TYPE_UINT32:
        return check_unsigned(field->name, number.value, UINT32_MAX, error);
    case PROTOBUF_C_TYPE_BOOL:
        return check_unsigned(field->name, number.value, 1, error);
    default:
        return WIRE_OK;
    }
}

/* Of a repeated field, several side by side. protobuf-c refuses what is no number. */
static enum wire_status check_packed(const ProtobufCFieldDescriptor *field, struct reader in,
                                     struct wire_error *error)
{
    struct varint number;

    while (in.at != in.end && read_varint(&in, &number))
        if (check_varint(field, number, error) != WIRE_OK)
            return error->status;
    return WIRE_OK;
}

static enum wire_status check_delimited(const ProtobufCFieldDescriptor *field, struct reader in,
                                        unsigned depth, struct wire_error *error)
{
    if (field->type == PROTOBUF_C_TYPE_STRING && memchr(in.at, '\0', (size_t)(in.end - in.at)) != NULL)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s holds a NUL byte; text may hold none",
                              field->name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message(field->descriptor, in, depth + 1, error);
    return field->type == PROTOBUF_C_TYPE_ENUM ? check_packed(field, in, error) : WIRE_OK;
}

static enum wire_status malformed(const ProtobufCMessageDescriptor *type, struct wire_error *error)
{
    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "the bytes are not a %s", type->name);
}

static enum wire_status check_field(const ProtobufCMessageDescriptor *type, struct reader *in, unsigned depth,
                                    struct wire_error *error)
{
    const ProtobufCFieldDescriptor *field = NULL;
    struct varint tag, number;
    struct reader inner;

    if (!read_varint(in, &tag) || tag.value >> 3 > UINT32_MAX)
        return malformed(type, error);
    field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag.value >> 3));
    switch (tag.value & 7) {
    case WIRE_VARINT:
        if (!read_varint(in, &number))
            break;
        return field != NULL ? check_varint(field, number, error) : WIRE_OK;
    case WIRE_LENGTH_DELIMITED:
        if (!read_varint(in, &number) || !read_bytes(in, number.value, &inner))
            break;
        return field != NULL ? check_delimited(field, inner, depth, error) : WIRE_OK;
    case WIRE_FIXED_64:
    case WIRE_FIXED_32:
        if (!read_bytes(in, (tag.value & 7) == WIRE_FIXED_64 ? 8 : 4, &inner))
            break;
        return WIRE_OK;
    }
    return malformed(type, error);
}

static enum wire_status check_message(const ProtobufCMessageDescriptor *type, struct reader in,
                                      unsigned depth, struct wire_error *error)
{
    if (depth > MAX_DEPTH)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s is nested more than %d deep",
                              type->short_name, MAX_DEPTH);
    while (in.at != in.end)
        if (check_field(type, &in, depth, error) != WIRE_OK)
            return error->status;
    return WIRE_OK;
}

enum wire_status wire_check_fields(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t len,
                                   struct wire_error *error)
{
    if (len == 0)
        return WIRE_OK; /* and bytes may be NULL */
    return check_message(type, (struct reader){bytes, bytes + len}, 1, error);
}
