/* Cross-origin answers: https://fetch.spec.whatwg.org/#http-cors-protocol */
#include <string.h>

#include "internal.h"

/* http or https, a loopback host, and any port or none. */
static bool is_loopback(const char *origin)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};

    if (strncmp(origin, "http://", 7) == 0)
        origin += 7;
    else if (strncmp(origin, "https://", 8) == 0)
        origin += 8;
    else
        return false;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t len = strlen(hosts[i]);

        if (strncmp(origin, hosts[i], len) != 0)
            continue;
        if (origin[len] == '\0')
            return true;
        if (origin[len] == ':' && origin[len + 1] != '\0')
            return origin[len + 1 + strspn(&origin[len + 1], "0123456789")] == '\0';
    }
    return false;
}

static bool is_allowed(const struct bridge *bridge, const char *origin)
{
    for (size_t i = 0; i < bridge->options.allowed_count; i++)
        if (strcmp(bridge->options.allowed_origins[i], origin) == 0)
            return true;
    return is_loopback(origin);
}

void bridge_add_cors(const struct bridge *bridge, struct MHD_Connection *connection,
                     struct MHD_Response *response)
{
    const char *origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);

    (void)MHD_add_response_header(response, "Vary", "Origin");
    if (origin == NULL || !is_allowed(bridge, origin))
        return;
    (void)MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    (void)MHD_add_response_header(response, "Access-Control-Allow-Credentials", "true");
    (void)MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                  "GET, HEAD, POST, DELETE, OPTIONS");
    (void)MHD_add_response_header(
        response, "Access-Control-Allow-Headers",
        "Content-Type, X-Origin, X-Request-Id, Traceparent, Last-Event-ID, Authorization");
    (void)MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                  "Server-Timing, X-Request-Id, Retry-After");
    (void)MHD_add_response_header(response, "Access-Control-Max-Age", "600");
}
