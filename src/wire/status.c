#include "wire/status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "wire/limits.h"

static const struct {
    const char *name;
    unsigned http;
} codes[] = {
    [WIRE_OK] = {"OK", 200},
    [WIRE_CANCELLED] = {"CANCELLED", 499},
    [WIRE_UNKNOWN] = {"UNKNOWN", 500},
    [WIRE_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", 400},
    [WIRE_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", 504},
    [WIRE_NOT_FOUND] = {"NOT_FOUND", 404},
    [WIRE_ALREADY_EXISTS] = {"ALREADY_EXISTS", 409},
    [WIRE_PERMISSION_DENIED] = {"PERMISSION_DENIED", 403},
    [WIRE_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", 429},
    [WIRE_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", 400},
    [WIRE_ABORTED] = {"ABORTED", 409},
    [WIRE_OUT_OF_RANGE] = {"OUT_OF_RANGE", 400},
    [WIRE_UNIMPLEMENTED] = {"UNIMPLEMENTED", 501},
    [WIRE_INTERNAL] = {"INTERNAL", 500},
    [WIRE_UNAVAILABLE] = {"UNAVAILABLE", 503},
    [WIRE_DATA_LOSS] = {"DATA_LOSS", 500},
    [WIRE_UNAUTHENTICATED] = {"UNAUTHENTICATED", 401},
};

static enum wire_status known(enum wire_status status)
{
    return (unsigned)status < sizeof codes / sizeof *codes ? status : WIRE_UNKNOWN;
}

const char *wire_status_name(enum wire_status status)
{
    return codes[known(status)].name;
}

unsigned wire_status_http(enum wire_status status)
{
    return codes[known(status)].http;
}

int wire_status_exit(enum wire_status status)
{
    return (int)known(status);
}

enum wire_status wire_error_set(struct wire_error *error, enum wire_status status, const char *format, ...)
{
    va_list args;

    error->status = status;
    error->retry_after_ms = status == WIRE_RESOURCE_EXHAUSTED ? WIRE_RETRY_AFTER_MS : 0;
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    return status;
}

const char *wire_quote(char *out, uint64_t size, const char *text)
{
    size_t n = 0;

    for (; text[n] != '\0' && n + 1 < size; n++)
        out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    out[n] = '\0';
    if (text[n] != '\0' && n >= 3)
        out[n - 1] = out[n - 2] = out[n - 3] = '.';
    return out;
}
