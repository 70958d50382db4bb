/* The routes: what each path does, and with which methods. */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "wire/token_file.h"

#define HEALTH_TIMEOUT_MS 2000

/* GET: HEAD too. OPEN: for whoever watches the service, without a token, and when all connections are taken.
 */
enum { METHOD_GET = 1, METHOD_POST = 2, OPEN = 4 };

#define RETRY_AFTER_MS 1000

typedef enum MHD_Result route_fn(struct exchange *exchange);

static route_fn concurrent, sequential, trace, health, alive, ready;

static const struct route {
    const char *path;
    unsigned methods;
    route_fn *handle;
} routes[] = {
    {"/api/compute/concurrent", METHOD_GET | METHOD_POST, concurrent},
    {"/api/compute/sequential", METHOD_GET | METHOD_POST, sequential},
    {"/api/compute/trace.json", METHOD_GET | METHOD_POST, trace},
    {"/api/compute/health", METHOD_GET | OPEN, health},
    {"/healthz", METHOD_GET | OPEN, alive},
    {"/readyz", METHOD_GET | OPEN, ready},
};

#define ROUTES (sizeof routes / sizeof *routes)

enum MHD_Result bridge_refuse(struct exchange *exchange, unsigned http, const char *message,
                              const char *allow)
{
    struct tilery_error error = {.status = TILERY_UNKNOWN};

    (void)snprintf(error.message, sizeof error.message, "%s", message);
    return bridge_send_error(exchange, http, &error, allow);
}

static enum MHD_Result send_failure(struct exchange *exchange)
{
    return bridge_send_error(exchange, tilery_status_http(exchange->error.status), &exchange->error, NULL);
}

/* ---- Calls ---- */

/* The call has ended, on a thread of libtilery, or could not even begin. The exchange may be gone when it
 * returns. */
static void called(struct exchange *exchange, const struct tilery_error *error)
{
    peer_called(exchange->bridge->watch, exchange->peer);
    if (error != NULL)
        exchange->error = *error;
    exchange->failed = error != NULL;
    exchange->phase = EXCHANGE_CALLED;
    MHD_resume_connection(exchange->connection);
}

static void computed(void *arg, tilery_result *result, const struct tilery_error *error)
{
    struct exchange *exchange = arg;

    exchange->result = result;
    called(exchange, error);
}

static void checked(void *arg, const struct tilery_error *error)
{
    called(arg, error);
}

/* Suspended before the call: its callback may come before it has returned. */
static void suspend(struct exchange *exchange, bridge_answer_fn *answer)
{
    exchange->answer = answer;
    exchange->phase = EXCHANGE_WAITING;
    MHD_suspend_connection(exchange->connection);
}

/* ---- Computations ---- */

static enum MHD_Result answer_compute(struct exchange *exchange)
{
    return exchange->failed ? send_failure(exchange) : bridge_send_result(exchange);
}

static enum MHD_Result compute(struct exchange *exchange, enum tilery_mode mode, enum format format)
{
    const struct tilery_call_options named = {.request_id = exchange->call_id,
                                              .traceparent = exchange->traceparent};
    struct tilery_error error;

    exchange->format = format;
    tilery_compute_request_init(&exchange->request);
    exchange->request.mode = mode;
    if (!bridge_read_params(exchange))
        return send_failure(exchange);
    if (strcmp(exchange->method, "HEAD") == 0)
        return bridge_send_head(exchange);
    suspend(exchange, answer_compute);
    peer_calls(exchange->bridge->watch, exchange->peer, exchange->call_id);
    if (tilery_compute_async(exchange->bridge->options.client, &exchange->request, &named, computed, exchange,
                             &error) != TILERY_OK)
        called(exchange, &error);
    return MHD_YES;
}

static enum MHD_Result concurrent(struct exchange *exchange)
{
    return compute(exchange, TILERY_MODE_CONCURRENT, FORMAT_JSON);
}

static enum MHD_Result sequential(struct exchange *exchange)
{
    return compute(exchange, TILERY_MODE_SEQUENTIAL, FORMAT_JSON);
}

static enum MHD_Result trace(struct exchange *exchange)
{
    return compute(exchange, TILERY_MODE_CONCURRENT, FORMAT_TRACE);
}

/* ---- Health: as documented, and as orchestrators ask ---- */

static enum MHD_Result check(struct exchange *exchange, bridge_answer_fn *answer)
{
    const struct tilery_call_options quick = {.timeout_ms = HEALTH_TIMEOUT_MS,
                                              .traceparent = exchange->traceparent};
    struct tilery_error error;

    if (strcmp(exchange->method, "HEAD") == 0)
        return bridge_send_head(exchange);
    suspend(exchange, answer);
    if (tilery_health_async(exchange->bridge->options.client, &quick, checked, exchange, &error) != TILERY_OK)
        called(exchange, &error);
    return MHD_YES;
}

static enum MHD_Result answer_health(struct exchange *exchange)
{
    return bridge_send_health(exchange, !exchange->failed,
                              exchange->failed ? exchange->error.message : "The Tilery server is serving");
}

static enum MHD_Result health(struct exchange *exchange)
{
    return check(exchange, answer_health);
}

static enum MHD_Result alive(struct exchange *exchange)
{
    return bridge_send_text(exchange, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result answer_ready(struct exchange *exchange)
{
    char text[sizeof exchange->error.message + 2];

    if (!exchange->failed)
        return bridge_send_text(exchange, MHD_HTTP_OK, "ready\n");
    (void)snprintf(text, sizeof text, "%s\n", exchange->error.message);
    return bridge_send_text(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result ready(struct exchange *exchange)
{
    if (exchange->bridge->draining)
        return bridge_send_text(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "the bridge is shutting down\n");
    return check(exchange, answer_ready);
}

/* ---- Finding the route ---- */

static enum MHD_Result refuse_length(struct exchange *exchange)
{
    char message[128];

    if (exchange->too_long) {
        (void)snprintf(message, sizeof message, "the body is longer than %u bytes", BRIDGE_MAX_BODY);
        return bridge_refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, message, NULL);
    }
    (void)snprintf(message, sizeof message, "the URL has %u bytes; at most %u are allowed",
                   exchange->target.length, BRIDGE_MAX_URL);
    return bridge_refuse(exchange, MHD_HTTP_URI_TOO_LONG, message, NULL);
}

/* All connections are taken: this one is there to say so. */
static enum MHD_Result refuse_surplus(struct exchange *exchange)
{
    struct tilery_error error = {.status = TILERY_RESOURCE_EXHAUSTED, .retry_after_ms = RETRY_AFTER_MS};

    exchange->closes = true;
    (void)snprintf(error.message, sizeof error.message, "all %u connections are taken; try again",
                   exchange->bridge->options.max_connections);
    return bridge_send_error(exchange, MHD_HTTP_TOO_MANY_REQUESTS, &error, NULL);
}

/* A preflight shows no token: https://fetch.spec.whatwg.org/#cors-protocol-and-credentials */
static enum token_shown check_token(const struct exchange *exchange)
{
    struct token_file *token = exchange->bridge->options.token;

    if (token == NULL || strcmp(exchange->method, "OPTIONS") == 0)
        return TOKEN_SHOWN;
    return token_file_check(token, MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
                                                               MHD_HTTP_HEADER_AUTHORIZATION));
}

static enum MHD_Result refuse_stranger(struct exchange *exchange, enum token_shown shown)
{
    return bridge_refuse(exchange, MHD_HTTP_UNAUTHORIZED,
                         shown == TOKEN_WRONG ? "the token is not the service's"
                                              : "the service wants a token: Authorization: Bearer TOKEN",
                         NULL);
}

static enum MHD_Result refuse_path(struct exchange *exchange)
{
    char message[256] = "no such route; there are";

    for (size_t i = 0; i < ROUTES; i++) {
        size_t len = strlen(message);

        (void)snprintf(message + len, sizeof message - len, "%s %s", i == 0 ? "" : ",", routes[i].path);
    }
    return bridge_refuse(exchange, MHD_HTTP_NOT_FOUND, message, NULL);
}

static unsigned method_of(const char *name)
{
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0)
        return METHOD_GET;
    return strcmp(name, "POST") == 0 ? METHOD_POST : 0;
}

static enum MHD_Result refuse_method(struct exchange *exchange, unsigned methods)
{
    const char *allow = (methods & METHOD_POST) != 0 ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS";
    char message[80];

    (void)snprintf(message, sizeof message, "the method must be one of %s", allow);
    return bridge_refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, message, allow);
}

enum MHD_Result bridge_route(struct exchange *exchange, const char *path)
{
    const struct route *route = routes;

    if (exchange->too_long || exchange->target.length > BRIDGE_MAX_URL)
        return refuse_length(exchange);
    if (exchange->failed)
        return send_failure(exchange);
    if (!bridge_host_allowed(exchange))
        return bridge_refuse(exchange, MHD_HTTP_FORBIDDEN,
                             "the Host header names no host of this service; see --allow-host", NULL);
    while (route < routes + ROUTES && strcmp(path, route->path) != 0)
        route++;
    if (route == routes + ROUTES || (route->methods & OPEN) == 0) {
        enum token_shown shown = check_token(exchange);

        if (peer_is_surplus(exchange->bridge->watch, exchange->peer))
            return refuse_surplus(exchange);
        if (shown != TOKEN_SHOWN)
            return refuse_stranger(exchange, shown);
    }
    if (route == routes + ROUTES)
        return refuse_path(exchange);
    if (strcmp(exchange->method, "OPTIONS") == 0)
        return bridge_send_empty(exchange);
    if ((method_of(exchange->method) & route->methods) == 0)
        return refuse_method(exchange, route->methods);
    return route->handle(exchange);
}
