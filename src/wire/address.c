#include "wire/address.h"

#include <stddef.h>
#include <string.h>

static bool starts_with(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

bool wire_address_is_tls(const char *address)
{
    return starts_with(address, "tls+") || starts_with(address, "wss");
}

bool wire_address_is_local(const char *address)
{
    const char *scheme_end = strstr(address, "://");
    const char *host = scheme_end != NULL ? scheme_end + 3 : address;

    if (scheme_end != NULL && !starts_with(address, "tcp") && !starts_with(address, "tls+") &&
        !starts_with(address, "ws"))
        return true;
    return starts_with(host, "127.") || starts_with(host, "[::1]") || starts_with(host, "localhost:");
}
