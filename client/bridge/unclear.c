/*
 * Requests that libmicrohttpd lets through and others read otherwise: where one's body ends, whom it is for,
 * or what it names depends on who looks, and a proxy in front may have looked.
 * https://www.rfc-editor.org/rfc/rfc9112#section-6.3 and section-3.2
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "internal.h"
#include "wire/status.h"

/* What is found in a request's headers and parameters. */
struct findings {
    unsigned hosts, lengths, codings, authorizations;
    const char *host;   /* the last one */
    const char *coding; /* the first Transfer-Encoding */
    bool bad_name, folded;
    const char *nul; /* a parameter's name; what it names holds a NUL byte */
};

/*
 * A folded header is put together elsewhere: libmicrohttpd 0.9.75 adds the second line to the name where the
 * first holds no value, and so makes Content-Length of "Content-Len: 5" and " gth". In one that is not folded
 * the value follows the name, a colon and blanks.
 */
static bool is_folded(const char *name, size_t name_len, const char *value)
{
    uintptr_t end = (uintptr_t)name + name_len, begin = (uintptr_t)value;

    return value != NULL && (begin <= end || begin - end > BRIDGE_MAX_URL);
}

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                      const char *value, size_t value_len)
{
    struct findings *found = arg;

    (void)kind;
    (void)value_len;
    found->bad_name |= strcspn(name, " \t") != name_len;
    found->folded |= is_folded(name, name_len, value);
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        found->hosts++;
        found->host = value != NULL ? value : "";
    }
    found->authorizations += strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0;
    found->lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0 && found->codings++ == 0)
        found->coding = value != NULL ? value : "";
    return MHD_YES;
}

/* libmicrohttpd 1.0 leaves what is not well encoded as it is, and says that it has no length. */
static enum MHD_Result look_at_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
                                         size_t name_len, const char *value, size_t value_len)
{
    struct findings *found = arg;
    bool has_nul = strlen(name) < name_len || (value != NULL && strlen(value) < value_len);

    (void)kind;
    if (has_nul)
        found->nul = name;
    return has_nul ? MHD_NO : MHD_YES;
}

static const char *judge_body(const struct findings *found, bool http_1_0)
{
    if (found->lengths > 1)
        return "Content-Length is given more than once";
    if (found->codings == 0)
        return NULL;
    if (found->lengths != 0)
        return "Content-Length and Transfer-Encoding are both given; one body has one of them";
    if (http_1_0)
        return "Transfer-Encoding is given in HTTP/1.0, which has none";
    if (found->codings > 1 || strcasecmp(found->coding, "chunked") != 0)
        return "Transfer-Encoding must be chunked, and nothing else";
    return NULL;
}

/* The URL may name it as well. */
static bool is_of_one_host(const struct exchange *exchange, const struct findings *found, const char *url)
{
    size_t len;
    const char *host = target_host(exchange->target, url, &len);

    return host == NULL || found->host == NULL ||
           (strlen(found->host) == len && strncasecmp(host, found->host, len) == 0);
}

static const char *judge(const struct exchange *exchange, const struct findings *found, const char *url,
                         const char *version)
{
    bool http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;

    if (found->bad_name)
        return "a header's name holds a blank";
    if (found->folded)
        return "a header goes on in a second line";
    if (found->hosts > 1)
        return "Host is given more than once";
    if (found->hosts == 0 && !http_1_0)
        return "Host is missing";
    if (!is_of_one_host(exchange, found, url))
        return "Host is another than the URL's";
    if (found->authorizations > 1)
        return "Authorization is given more than once";
    if (exchange->target.nul)
        return "the path holds a NUL byte";
    return judge_body(found, http_1_0);
}

static bool refuse(struct exchange *exchange, const char *message)
{
    exchange->failed = exchange->closes = true;
    exchange->error = (struct tilery_error){.status = TILERY_INVALID_ARGUMENT};
    (void)snprintf(exchange->error.message, sizeof exchange->error.message, "%s", message);
    return false;
}

bool bridge_is_clear(struct exchange *exchange, const char *url, const char *version)
{
    struct findings found = {0};
    const char *message;
    char text[160], shown[80];

    (void)MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, look_at_header, &found);
    (void)MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, look_at_parameter, &found);
    message = judge(exchange, &found, url, version);
    if (message != NULL)
        return refuse(exchange, message);
    if (exchange->target.parameters > BRIDGE_MAX_PARAMETERS) {
        (void)snprintf(text, sizeof text, "the query has %u parameters; at most %u are allowed",
                       exchange->target.parameters, BRIDGE_MAX_PARAMETERS);
        return refuse(exchange, text);
    }
    if (found.nul == NULL)
        return true;
    (void)snprintf(text, sizeof text, "%s holds a NUL byte", wire_quote(shown, sizeof shown, found.nul));
    return refuse(exchange, text);
}
