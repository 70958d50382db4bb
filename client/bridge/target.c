/* A request's URL, before libmicrohttpd decodes it. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

#define MAX_PARAMETERS 0x1fffu

/* In a pointer, odd to tell it from one: more than fits is too much anyway. */
static void *pack(size_t length, size_t parameters, bool nul, bool host)
{
    length = length < UINT16_MAX ? length : UINT16_MAX;
    parameters = parameters < MAX_PARAMETERS ? parameters : MAX_PARAMETERS;
    return (void *)(uintptr_t)(length << 16 | parameters << 3 | (size_t)host << 2 | (size_t)nul << 1 | 1);
}

bool target_is_packed(const void *state)
{
    return ((uintptr_t)state & 1) != 0;
}

struct target target_unpack(const void *state)
{
    uintptr_t bits = (uintptr_t)state;

    return (struct target){.length = (unsigned)(bits >> 16),
                           .parameters = bits >> 3 & MAX_PARAMETERS,
                           .host = (bits >> 2 & 1) != 0,
                           .nul = (bits >> 1 & 1) != 0};
}

/* Behind the scheme; NULL: there is none. */
static const char *host_of(const char *url, size_t *len)
{
    const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;

    *len = host != NULL ? strcspn(host, "/?") : 0;
    return host;
}

const char *target_host(struct target target, const char *url, size_t *len)
{
    return target.host ? host_of(url, len) : NULL;
}

const char *target_path(struct target target, const char *url)
{
    size_t len;
    const char *host = target_host(target, url, &len);

    if (host == NULL)
        return url;
    return host[len] == '/' ? &host[len] : "/";
}

static size_t count_parameters(const char *query)
{
    size_t count = 1;

    while ((query = strchr(query, '&')) != NULL) {
        query++;
        count++;
    }
    return count;
}

/*
 * An exchange would be lost here: a request that breaks off or breaks libmicrohttpd's own rules is dropped
 * without a word to either.
 *
 * So is one with more parameters than fit the connection's memory. Where they will be refused, the query is
 * cut off before it is parsed; the URL is libmicrohttpd's own buffer, which it writes to next itself.
 */
void *target_on_url(void *arg, const char *url, struct MHD_Connection *connection)
{
    size_t length = strlen(url), path = strcspn(url, "?"), parameters, host_len;
    const char *nul = strstr(url, "%00"), *host = host_of(url, &host_len);

    (void)arg;
    (void)connection;
    parameters = path < length ? count_parameters(&url[path + 1]) : 0;
    if (length > BRIDGE_MAX_URL || parameters > BRIDGE_MAX_PARAMETERS)
        ((char *)(uintptr_t)url)[path < length ? path + 1 : path] = '\0';
    return pack(length, parameters, nul != NULL && nul < &url[path],
                host != NULL && memchr(host, '%', host_len) == NULL);
}
