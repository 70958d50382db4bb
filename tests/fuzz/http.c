/*
 * An HTTP request as the bridge reads it: target, parameters, JSON, the headers that it looks at. What
 * libmicrohttpd would make of the bytes is made here, plainly: this is no test of libmicrohttpd.
 */
#include "fuzz.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "bridge/accept.h"
#include "bridge/internal.h"

#define MOST_VALUES 256

struct value {
    enum MHD_ValueKind kind;
    const char *name, *value; /* NULL: it has none */
    size_t name_len, value_len;
};

static struct {
    struct value values[MOST_VALUES];
    size_t count;
    union MHD_ConnectionInfo size; /* of the headers, and the line that ends them */
} request;

/* ---- In place of libmicrohttpd's ---- */

int MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                MHD_KeyValueIteratorN look, void *arg)
{
    int count = 0;

    (void)connection;
    for (size_t i = 0; i < request.count; i++) {
        const struct value *value = &request.values[i];

        if (value->kind != kind)
            continue;
        count++;
        if (look(arg, kind, value->name, value->name_len, value->value, value->value_len) == MHD_NO)
            break;
    }
    return count;
}

int MHD_get_connection_values(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                              MHD_KeyValueIterator look, void *arg)
{
    (void)connection;
    for (size_t i = 0; i < request.count; i++)
        if (request.values[i].kind == kind)
            (void)look(arg, kind, request.values[i].name, request.values[i].value);
    return 0;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                        const char *name)
{
    (void)connection;
    for (size_t i = 0; i < request.count; i++)
        if (request.values[i].kind == kind && strcasecmp(request.values[i].name, name) == 0)
            return request.values[i].value;
    return NULL;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection,
                                                        enum MHD_ConnectionInfoType what, ...)
{
    (void)connection;
    require(what == MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return &request.size;
}

/* What a caller wrote may come back in a header, and is harmless there. */
enum MHD_Result MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)response;
    require(name[0] != '\0' && value[0] != '\0' && strcspn(value, "\r\n") == strlen(value));
    return MHD_YES;
}

/* ---- The request taken apart ---- */

static void add(enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value, size_t len)
{
    if (request.count < MOST_VALUES)
        request.values[request.count++] = (struct value){kind, name, value, name_len, len};
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Decodes in place, and gives the length, as NUL bytes may be among them. */
static size_t decode(char *text)
{
    char *to = text, *begin = text;

    for (; *text != '\0'; text++) {
        bool hex = text[0] == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]);

        *to++ = hex ? (char)(digit(text[1]) * 16 + digit(text[2])) : *text;
        text += hex ? 2 : 0;
    }
    *to = '\0';
    return (size_t)(to - begin);
}

static void add_parameters(char *query)
{
    char *parameter;

    while ((parameter = strsep(&query, "&")) != NULL) {
        char *value = parameter, *name = strsep(&value, "=");
        size_t name_len = decode(name), len = value != NULL ? decode(value) : 0;

        add(MHD_GET_ARGUMENT_KIND, name, name_len, value, len);
    }
}

static void add_headers(char **rest)
{
    char *line;

    while ((line = strsep(rest, "\n")) != NULL && line[0] != '\0') {
        char *value = line, *name = strsep(&value, ":");

        if (value != NULL)
            value += strspn(value, " ");
        add(MHD_HEADER_KIND, name, strlen(name), value, value != NULL ? strlen(value) : 0);
    }
}

/* ---- What must be so ---- */

/* It goes into an answer, as JSON, and into the log. */
static void check_failure(const struct exchange *exchange)
{
    json_t *text = json_string(exchange->error.message);

    require(exchange->error.status == TILERY_INVALID_ARGUMENT && exchange->error.message[0] != '\0');
    require(text != NULL);
    json_decref(text);
}

static void check_names(struct exchange *exchange)
{
    bridge_name(exchange);
    for (const char *id = exchange->id; *id != '\0'; id++)
        require(isgraph((unsigned char)*id));
    require(exchange->id[0] != '\0' && strlen(exchange->call_id) <= 64);
    require(wire_traceparent_is_valid(exchange->traceparent));
}

static void check_accept(void)
{
    struct accepted events = {0}, lines = {0};

    for (size_t i = 0; i < request.count; i++)
        if (request.values[i].value != NULL) {
            accept_look(&events, request.values[i].value, "text/event-stream");
            accept_look(&lines, request.values[i].value, "application/x-ndjson");
        }
    require(events.quality <= 1000 && events.specific <= 3 && (events.specific != 0 || events.quality == 0));
    require(!accept_prefers(events, lines) || !accept_prefers(lines, events));
}

static void check_event_id(void)
{
    const char *id = MHD_lookup_connection_value(NULL, MHD_HEADER_KIND, "Last-Event-ID");
    uint64_t number;
    char run[33];

    if (id != NULL && bridge_read_event_id(id, run, &number))
        require(strlen(run) == 32 && strncmp(run, id, 32) == 0);
}

static void read_request(struct exchange *exchange, char *target, const char *version)
{
    char *query = target;

    exchange->target = target_unpack(target_on_url(NULL, target, NULL));
    (void)strsep(&query, "?");
    (void)decode(target);
    if (query != NULL)
        add_parameters(query);
    (void)snprintf(exchange->path, sizeof exchange->path, "%s", target_path(exchange->target, target));
    check_names(exchange);
    check_accept();
    check_event_id();
    (void)bridge_host_allowed(exchange);
    bridge_add_cors(exchange, NULL);
    exchange->streams = strstr(exchange->path, "stream") != NULL;
    exchange->is_picture = strstr(exchange->path, "png") != NULL;
    tilery_compute_request_init(&exchange->request);
    if (!bridge_is_clear(exchange, exchange->method, target, version) || !bridge_read_params(exchange))
        check_failure(exchange);
}

void fuzz_one(const uint8_t *bytes, size_t len)
{
    static const char *const hosts[] = {"tilery.example"};
    struct bridge bridge = {.options = {.check_host = true, .allowed_hosts = hosts, .host_count = 1}};
    struct exchange exchange = {.bridge = &bridge};
    char *text = malloc(len + 2), *rest = text, *line, *target, *body = NULL;

    require(text != NULL);
    memcpy(text, bytes, len);
    text[len] = text[len + 1] = '\0'; /* the line that ends all headers, where they end with the bytes */
    request.count = 0;
    line = strsep(&rest, "\n");
    exchange.method = strsep(&line, " ");
    target = line != NULL ? strsep(&line, " ") : NULL;
    add_headers(&rest);
    request.size.header_size = rest != NULL ? (size_t)(rest - text) : len + 2;
    if (rest != NULL && rest[0] != '\0') {
        exchange.body_len = (size_t)(&text[len] - rest);
        body = malloc(exchange.body_len); /* no NUL behind it */
        require(body != NULL);
        exchange.body = memcpy(body, rest, exchange.body_len);
    }
    if (target != NULL)
        read_request(&exchange, target, line != NULL ? line : "");
    free(body);
    free(text);
}

/* ---- Seeds ---- */

static const char *const seeds[] = {
    "GET /api/compute/concurrent?width=96&height=96&tile_w=32&tile_h=32&max_iter=128&time_limit_ms=500"
    "&num_threads=2 HTTP/1.1\nHost: localhost:8405\nOrigin: http://localhost:4100\n\n",
    "GET /api/compute/stream?region=-0.5,-0.5,1e-3,1&schedule=stealing&kernel=auto&mode=sequential HTTP/1.1\n"
    "Host: [::1]\nAccept: text/event-stream;q=0.5, application/x-ndjson;q=0.25, */*\n\n",
    "GET /api/compute/stream HTTP/1.1\nHost: 192.0.2.7:80\n"
    "Last-Event-ID: 0123456789abcdef0123456789abcdef/17\nX-Request-Id: mine\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n\n",
    "GET http://tilery.example/api/compute/image.png?palette=thread&width=1%30 HTTP/1.1\n"
    "Host: tilery.example\nAccept: image/png;a=\"x,y\\\"\";q=1.000\n\n",
    "POST /api/compute/concurrent?precision=ns&summary=1 HTTP/1.1\nHost: localhost\nContent-Length: 96\n\n"
    "{\"width\": 96, \"height\": \"96\", \"region\": [-2.5, -1, 3.5, 2], \"pretty\": true, \"kernel\": "
    "\"sse2\", "
    "\"x\": {\"y\": [null]}}",
    "POST /api/compute/sequential HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n"
    "{\"width\": 1e3, \"max_iter\": 65535, \"data\": 1, \"palette\": \"\\u00e9\\ud83d\\ude00\"}",
    "POST /api/compute/concurrent HTTP/1.1\nHost: localhost\n\n{\"palette\":\"\\u0\xd5\x9a\xc6\xa3\"}",
    "DELETE /api/compute/runs/0123456789abcdef0123456789abcdef HTTP/1.0\nAuthorization: Bearer x\n\n",
};

size_t fuzz_seed(size_t number, uint8_t *out)
{
    size_t len = number < sizeof seeds / sizeof *seeds ? strlen(seeds[number]) : 0;

    if (len != 0)
        memcpy(out, seeds[number], len);
    return len;
}
