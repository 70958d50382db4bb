#ifndef TILERY_WIRE_COUNTS_H
#define TILERY_WIRE_COUNTS_H

/* A tile's counts as a TileUpdate's data. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compute.pb-c.h"

typedef Tilery__V1__Encoding wire_encoding;
#define WIRE_UINT16 TILERY__V1__ENCODING__ENCODING_UINT16
#define WIRE_UINT8 TILERY__V1__ENCODING__ENCODING_UINT8
#define WIRE_UNIFORM TILERY__V1__ENCODING__ENCODING_UNIFORM

/* A set of encodings has a bit for each. */
#define WIRE_ENCODING(encoding) (1u << (encoding))

/* Encodes the counts, of which there is at least one, in their own place: as the shortest of the set, or of
 * ENCODING_UINT16, which changes nothing. The data begins where they do. */
wire_encoding wire_counts_encode(uint16_t *counts, size_t count, unsigned set, size_t *len);

/* False where the data is not that many counts in that encoding. */
bool wire_counts_decode(wire_encoding encoding, const uint8_t *data, size_t len, uint16_t *restrict counts,
                        size_t count);

#endif
