#include "wire/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
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

/* https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2 */
void wire_address_write(char *out, size_t size, int family, const void *address, uint16_t port)
{
    const struct in6_addr *in6 = address;
    char text[INET6_ADDRSTRLEN] = "";

    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6)) {
        family = AF_INET;
        address = &in6->s6_addr[12];
    }
    (void)inet_ntop(family, address, text, sizeof text);
    (void)snprintf(out, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, ntohs(port));
}
