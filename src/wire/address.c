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

static const char *host_of(const char *address)
{
    const char *scheme_end = strstr(address, "://");

    return scheme_end != NULL ? scheme_end + 3 : address;
}

bool wire_address_is_ip(const char *address)
{
    const char *host = host_of(address);
    size_t digits = strspn(host, "0123456789.");

    return host[0] == '[' || (digits != 0 && (host[digits] == ':' || host[digits] == '\0'));
}

bool wire_address_is_local(const char *address)
{
    const char *scheme_end = strstr(address, "://");
    const char *host = host_of(address);

    if (scheme_end != NULL && !starts_with(address, "tcp") && !starts_with(address, "tls+") &&
        !starts_with(address, "ws"))
        return true;
    return starts_with(host, "127.") || starts_with(host, "[::1]") || starts_with(host, "localhost:");
}
