/* Who may call: cross-origin answers, https://fetch.spec.whatwg.org/#http-cors-protocol, and the Host header.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

/* name, and any port or none. */
static bool is_host(const char *host, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(host, name, len) != 0)
        return false;
    if (host[len] == '\0')
        return true;
    return host[len] == ':' && host[len + 1] != '\0' &&
           host[len + 1 + strspn(&host[len + 1], "0123456789")] == '\0';
}

static bool is_loopback_host(const char *host)
{
    return is_host(host, "localhost") || is_host(host, "127.0.0.1") || is_host(host, "[::1]");
}

/* An IP address, a version 6 one in brackets, and any port or none. */
static bool is_address(const char *host)
{
    bool six = host[0] == '[';
    size_t len = six ? strcspn(host, "]") + 1 : strcspn(host, ":");
    char text[INET6_ADDRSTRLEN + 3];
    struct in6_addr address;

    if (len >= sizeof text || (six && host[len - 1] != ']'))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    if (!is_host(host, text))
        return false;
    text[len - six] = '\0';
    return inet_pton(six ? AF_INET6 : AF_INET, &text[six], &address) == 1;
}

/* http or https, a loopback host, and any port or none. */
static bool is_loopback(const char *origin)
{
    if (strncmp(origin, "http://", 7) == 0)
        return is_loopback_host(origin + 7);
    return strncmp(origin, "https://", 8) == 0 && is_loopback_host(origin + 8);
}

bool bridge_host_allowed(const struct exchange *exchange)
{
    const struct bridge_options *options = &exchange->bridge->options;
    const char *host =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

    if (host == NULL || !options->check_host || is_host(host, "localhost") || is_address(host))
        return true; /* no browser sends none */
    for (size_t i = 0; i < options->host_count; i++)
        if (is_host(host, options->allowed_hosts[i]))
            return true;
    return false;
}

bool bridge_origin_is_valid(const char *origin)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789-._", digits[] = "0123456789";
    size_t scheme = strspn(origin, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    size_t host, port;

    if (scheme == 0 || strncmp(&origin[scheme], "://", 3) != 0)
        return false;
    origin += scheme + 3;
    if (origin[0] == '[')
        host = strspn(&origin[1], "0123456789abcdef:.") + 2;
    else
        host = strspn(origin, name);
    if (host == 0 || (origin[0] == '[' && (host == 2 || origin[host - 1] != ']')))
        return false;
    if (origin[host] == '\0')
        return true;
    port = origin[host] == ':' ? strspn(&origin[host + 1], digits) : 0;
    return port != 0 && origin[host + 1 + port] == '\0';
}

static bool is_allowed(const struct bridge *bridge, const char *origin)
{
    for (size_t i = 0; i < bridge->options.allowed_count; i++)
        if (strcmp(bridge->options.allowed_origins[i], origin) == 0)
            return true;
    return is_loopback(origin);
}

void bridge_add_cors(const struct exchange *exchange, struct MHD_Response *response)
{
    const char *origin =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);

    (void)MHD_add_response_header(response, "Vary", exchange->streams ? "Origin, Accept" : "Origin");
    if (origin == NULL || !is_allowed(exchange->bridge, origin))
        return;
    (void)MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    (void)MHD_add_response_header(response, "Access-Control-Allow-Credentials", "true");
    (void)MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                  "GET, HEAD, POST, DELETE, OPTIONS");
    (void)MHD_add_response_header(
        response, "Access-Control-Allow-Headers",
        "Content-Type, X-Origin, X-Request-Id, Traceparent, Last-Event-ID, Authorization");
    (void)MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                  "Server-Timing, X-Request-Id, Traceparent, Retry-After");
    (void)MHD_add_response_header(response, "Access-Control-Max-Age", "600");
}
