#include "wire/counts.h"

#include <string.h>

#define CHUNK 64

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "counts are sent as they lie in memory");

/* Bytes overtake no count that was not read. */
static void narrow(uint16_t *counts, size_t count)
{
    uint8_t *out = (uint8_t *)counts, chunk[CHUNK];
    size_t at = 0;

    for (; count - at >= CHUNK; at += CHUNK) {
        for (size_t i = 0; i < CHUNK; i++)
            chunk[i] = (uint8_t)counts[at + i];
        memcpy(&out[at], chunk, CHUNK);
    }
    for (; at < count; at++)
        out[at] = (uint8_t)counts[at];
}

wire_encoding wire_counts_encode(uint16_t *counts, size_t count, unsigned set, size_t *len)
{
    uint16_t first = counts[0], any = 0, other = 0; /* bits: of all, and in which they differ */

    *len = count * sizeof *counts;
    if (set == 0)
        return WIRE_UINT16;
    for (size_t i = 0; i < count; i++) {
        any |= counts[i];
        other |= counts[i] ^ first;
    }
    if (count > 1 && other == 0 && (set & WIRE_ENCODING(WIRE_UNIFORM)) != 0) {
        *len = sizeof *counts;
        return WIRE_UNIFORM;
    }
    if (any > UINT8_MAX || (set & WIRE_ENCODING(WIRE_UINT8)) == 0)
        return WIRE_UINT16;
    narrow(counts, count);
    *len = count;
    return WIRE_UINT8;
}

static bool widen(const uint8_t *data, size_t len, uint16_t *restrict counts, size_t count)
{
    if (len != count)
        return false;
    for (size_t i = 0; i < count; i++)
        counts[i] = data[i];
    return true;
}

static bool spread(const uint8_t *data, size_t len, uint16_t *restrict counts, size_t count)
{
    uint16_t all;

    if (len != sizeof all)
        return false;
    memcpy(&all, data, sizeof all);
    for (size_t i = 0; i < count; i++)
        counts[i] = all;
    return true;
}

bool wire_counts_decode(wire_encoding encoding, const uint8_t *data, size_t len, uint16_t *restrict counts,
                        size_t count)
{
    switch (encoding) {
    case WIRE_UINT8:
        return widen(data, len, counts, count);
    case WIRE_UNIFORM:
        return spread(data, len, counts, count);
    case WIRE_UINT16:
        if (len == count * sizeof *counts)
            memcpy(counts, data, len);
        return len == count * sizeof *counts;
    default:
        return false;
    }
}
