#include "wire/traceparent.h"

#include <string.h>

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

static bool all_zero(const char *text, size_t len)
{
    return strspn(text, "0") >= len;
}

bool wire_traceparent_is_valid(const char *value)
{
    size_t len = strlen(value);

    if (len < WIRE_TRACEPARENT || value[2] != '-' || value[WIRE_PARENT_ID - 1] != '-' ||
        value[WIRE_TRACE_FLAGS - 1] != '-')
        return false;
    if (!is_hex(value, 2) || !is_hex(&value[WIRE_TRACE_ID], 32) || !is_hex(&value[WIRE_PARENT_ID], 16) ||
        !is_hex(&value[WIRE_TRACE_FLAGS], 2))
        return false;
    if (all_zero(&value[WIRE_TRACE_ID], 32) || all_zero(&value[WIRE_PARENT_ID], 16) ||
        strncmp(value, "ff", 2) == 0)
        return false;
    return len == WIRE_TRACEPARENT || (strncmp(value, "00", 2) != 0 && value[WIRE_TRACEPARENT] == '-');
}
