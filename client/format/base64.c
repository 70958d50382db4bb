/* https://www.rfc-editor.org/rfc/rfc4648#section-4 */
#include "base64.h"

static char *put_group(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = (uint32_t)bytes[0] << 16;

    if (len > 1)
        group |= (uint32_t)bytes[1] << 8;
    if (len > 2)
        group |= bytes[2];
    *out++ = digits[group >> 18];
    *out++ = digits[group >> 12 & 63];
    *out++ = len > 1 ? digits[group >> 6 & 63] : '=';
    *out++ = len > 2 ? digits[group & 63] : '=';
    return out;
}

char *format_base64(char *out, const char *end, const uint8_t *bytes, size_t len, size_t *used)
{
    while (*used < len && end - out >= 4) {
        size_t left = len - *used;

        out = put_group(out, &bytes[*used], left);
        *used += left < 3 ? left : 3;
    }
    return out;
}
