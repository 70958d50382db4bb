#ifndef TILERY_FORMAT_BASE64_H
#define TILERY_FORMAT_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Base64 of whole groups of three bytes, as many as fit at four characters each, or of the last bytes; moves
 * *used on. Returns the end of what it wrote. */
char *format_base64(char *out, const char *end, const uint8_t *bytes, size_t len, size_t *used);

#endif
