/* A request's URL, before libmicrohttpd decodes it. */
#include <stdint.h>
#include <string.h>

#include "internal.h"

/* In a pointer, odd to tell it from one: more than fits is too much anyway. */
static void *pack(size_t length, size_t parameters, bool nul)
{
    length = length < UINT16_MAX ? length : UINT16_MAX;
    parameters = parameters < INT16_MAX / 2 ? parameters : INT16_MAX / 2;
    return (void *)(uintptr_t)(length << 16 | parameters << 2 | (size_t)nul << 1 | 1);
}

bool target_is_packed(const void *state)
{
    return ((uintptr_t)state & 1) != 0;
}

struct target target_unpack(const void *state)
{
    uintptr_t bits = (uintptr_t)state;

    return (struct target){
        .length = (unsigned)(bits >> 16), .parameters = bits >> 2 & 0x3fff, .nul = (bits >> 1 & 1) != 0};
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
    size_t length = strlen(url), path = strcspn(url, "?"), parameters;
    const char *nul = strstr(url, "%00");

    (void)arg;
    (void)connection;
    parameters = path < length ? count_parameters(&url[path + 1]) : 0;
    if (length > BRIDGE_MAX_URL || parameters > BRIDGE_MAX_PARAMETERS)
        ((char *)(uintptr_t)url)[path < length ? path + 1 : path] = '\0';
    return pack(length, parameters, nul != NULL && nul < &url[path]);
}
