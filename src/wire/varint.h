#ifndef TILERY_WIRE_VARINT_H
#define TILERY_WIRE_VARINT_H

#include <stdbool.h>
#include <stdint.h>

/* How a field's value is encoded, in the lowest three bits of its key. */
enum wire_type { WIRE_VARINT = 0, WIRE_FIXED_64 = 1, WIRE_LENGTH_DELIMITED = 2, WIRE_FIXED_32 = 5 };

#define WIRE_KEY(field, type) ((field) << 3 | (type))

/* Reads a varint from *at on; false when there is none before end. Protobuf's:
 * https://protobuf.dev/programming-guides/encoding/ */
static inline bool wire_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

#endif
