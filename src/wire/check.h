#ifndef TILERY_WIRE_CHECK_H
#define TILERY_WIRE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "wire/status.h"

/*
 * Looks through a packed message for what protobuf-c changes in silence while unpacking: it cuts a number to
 * the width of its field, so that mode = 2^32 + 1 reads as 1, and text at its first NUL byte.
 *
 * INVALID_ARGUMENT, naming field, value and range, where a known field holds such a value, where messages
 * nest more than eight deep, and for bytes that are no message. Fields that the type does not know are passed
 * over. Packed lists and zigzag numbers, which no request has, are not looked into.
 */
WIRE_MUST_USE enum wire_status wire_check_fields(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                                 size_t len, struct wire_error *error);

/* INVALID_ARGUMENT, naming field, value and range, unless the value is one of the enum's, which have no gaps.
 */
WIRE_MUST_USE enum wire_status wire_check_enum(const ProtobufCEnumDescriptor *type, const char *field,
                                               int64_t value, struct wire_error *error);

#endif
