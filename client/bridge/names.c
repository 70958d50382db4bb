/* What a request is called: its ids, and its place in a trace; and what it calls an event. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "internal.h"
#include "wire/traceparent.h"

/* Of a caller's own id, in a call's; the rest is random. */
#define GIVEN_ID 43

#define TRACEPARENT "traceparent"

/* The client's own name for the request, where it is one that a server takes. */
static bool is_id(const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;

    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i]))
            return false;
    return len >= 1 && len <= 64;
}

/*
 * The answer's id, and the call's. A caller's own id may be anybody's: one request that is passed on in parts
 * has the same one in each, and so has one that is sent again. The call's begins with it, for whoever reads
 * the server's log, and nobody can guess the rest.
 */
static void name_request(struct exchange *exchange)
{
    const char *id = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "X-Request-Id");
    char random[33];

    tilery_random_id(random);
    if (is_id(id)) {
        (void)snprintf(exchange->id, sizeof exchange->id, "%s", id);
        (void)snprintf(exchange->call_id, sizeof exchange->call_id, "%.*s.%.20s", GIVEN_ID, id, random);
    } else {
        memcpy(exchange->id, random, sizeof random);
        memcpy(exchange->call_id, random, sizeof random);
    }
}

struct traces {
    const char *value;
    unsigned count;
};

static enum MHD_Result find_trace(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct traces *traces = arg;

    (void)kind;
    if (strcasecmp(name, TRACEPARENT) == 0 && traces->count++ == 0)
        traces->value = value;
    return MHD_YES;
}

/*
 * The caller's trace, or a new one that nobody records, and a span of our own in it: the server's parent, and
 * what the answer says. Several headers are none, and of the flags only "sampled" is known:
 * https://www.w3.org/TR/trace-context/#traceparent-header
 */
static void trace_request(struct exchange *exchange)
{
    struct traces traces = {0};
    char fresh[33], span[33];
    const char *trace, *sampled = "0";

    tilery_random_id(span);
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, find_trace, &traces);
    if (traces.count == 1 && traces.value != NULL && wire_traceparent_is_valid(traces.value)) {
        trace = &traces.value[WIRE_TRACE_ID];
        sampled = strchr("13579bdf", traces.value[WIRE_TRACE_FLAGS + 1]) != NULL ? "1" : "0";
    } else {
        tilery_random_id(fresh);
        trace = fresh;
    }
    (void)snprintf(exchange->traceparent, sizeof exchange->traceparent, "00-%.32s-%.16s-0%s", trace, span,
                   sampled);
}

void bridge_name(struct exchange *exchange)
{
    name_request(exchange);
    trace_request(exchange);
}

bool bridge_read_event_id(const char *text, char run[33], uint64_t *number)
{
    size_t digits = 0;

    if (strlen(text) > 32 + 1 + 19 || strspn(text, "0123456789abcdef") != 32 || text[32] != '/')
        return false;
    (void)snprintf(run, 33, "%.32s", text);
    text += 33;
    for (*number = 0; text[digits] >= '0' && text[digits] <= '9'; digits++)
        *number = *number * 10 + (uint64_t)(text[digits] - '0');
    return digits != 0 && text[digits] == '\0';
}
