#ifndef TILERY_WIRE_TEXT_H
#define TILERY_WIRE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "wire/status.h"

/*
 * protobuf-c hands strings on as C's, which end at the first NUL: what came after it would be lost without a
 * word. INVALID_ARGUMENT, naming the field, when a string of the packed message, or of one in it, holds one.
 * For bytes that have been unpacked as that type; any others do no harm. The type is not recursive.
 */
WIRE_MUST_USE enum wire_status wire_text_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                               size_t len, struct wire_error *error);

#endif
