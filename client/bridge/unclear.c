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
    const char *end;    /* of the last header's value */
    bool bad_name, folded, cut, bare_cr, line_cut;
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

/*
 * libmicrohttpd 0.9.75 cuts a value at its first NUL byte, and says so nowhere. What ends a line is NUL in
 * its memory, too, one byte or, of CR and LF, two; then the next header begins. 1.0 refuses such a header.
 */
static bool is_cut(const char *end, const char *next)
{
    uintptr_t gap = (uintptr_t)next - (uintptr_t)end;

    return MHD_VERSION < 0x01000000 && end != NULL && gap != 1 && (gap != 2 || end[1] != '\0');
}

/* Of the last one, behind which a line ends them all. */
static bool is_last_cut(const struct exchange *exchange, const char *end, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return MHD_VERSION < 0x01000000 && end != NULL && info != NULL &&
           (end[1] != '\0' || method + info->header_size > end + 4);
}

/* Nor of a NUL byte in the first line, where a space parts each text from the next, or some do. */
static bool is_line_cut(const struct exchange *exchange, const char *method, const char *url,
                        const char *version)
{
    const char *behind = method + strlen(method) + 1;

    return MHD_VERSION < 0x01000000 &&
           (behind + strspn(behind, " ") != url || url + exchange->target.length + 1 != version);
}

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                      const char *value, size_t value_len)
{
    struct findings *found = arg;

    (void)kind;
    found->bad_name |= strcspn(name, " \t") != name_len;
    found->folded |= is_folded(name, name_len, value);
    found->cut |= is_cut(found->end, name);
    found->end = value != NULL ? value + value_len : NULL;
    found->bare_cr |= strchr(name, '\r') != NULL || (value != NULL && strchr(value, '\r') != NULL);
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

    if (found->line_cut)
        return "the request line holds a NUL byte";
    if (found->bad_name)
        return "a header's name holds a blank";
    if (found->folded)
        return "a header goes on in a second line";
    if (found->cut)
        return "a header holds a NUL byte";
    if (found->bare_cr)
        return "a header holds a CR that ends no line";
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

bool bridge_is_clear(struct exchange *exchange, const char *method, const char *url, const char *version)
{
    struct findings found = {0};
    const char *message;
    char text[160], shown[80];

    (void)MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, look_at_header, &found);
    found.cut |= is_last_cut(exchange, found.end, method);
    found.line_cut = is_line_cut(exchange, method, url, version);
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
