/* The routes: what each path does, and with which methods. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exposition.h"
#include "internal.h"
#include "wire/status.h"
#include "wire/token_file.h"

#define JSON "application/json"

/* GET: HEAD too. OPEN: for whoever watches the service, without a token, and when all connections are taken.
 */
enum { METHOD_GET = 1, METHOD_POST = 2, OPEN = 4, METHOD_DELETE = 8 };

typedef enum MHD_Result route_fn(struct exchange *exchange);

static route_fn concurrent, sequential, trace, metrics, openapi, page, file;

static const struct route {
    const char *path;
    unsigned methods;
    route_fn *handle;
} routes[] = {
    {"/api/compute/concurrent", METHOD_GET | METHOD_POST, concurrent},
    {"/api/compute/sequential", METHOD_GET | METHOD_POST, sequential},
    {"/api/compute/trace.json", METHOD_GET | METHOD_POST, trace},
    {"/api/compute/image.png", METHOD_GET | METHOD_POST, bridge_picture},
    {"/api/compute/stream", METHOD_GET | METHOD_POST, bridge_stream},
    {"/api/compute/runs/{run}", METHOD_DELETE, bridge_end_run},
    {"/api/compute/health", METHOD_GET | OPEN, bridge_health},
    {"/healthz", METHOD_GET | OPEN, bridge_alive},
    {"/readyz", METHOD_GET | OPEN, bridge_ready},
    {"/metrics", METHOD_GET, metrics},
    {"/openapi.json", METHOD_GET | OPEN, openapi},
    {"/", METHOD_GET | OPEN, page},
    {"/web/{file}", METHOD_GET | OPEN, file},
};

#define ROUTES (sizeof routes / sizeof *routes)

_Static_assert(ROUTES < METRICS_ROUTES, "each route is counted apart");

const char *bridge_route_name(unsigned route)
{
    return route <= ROUTES ? routes[route - 1].path : NULL;
}

enum MHD_Result bridge_refuse(struct exchange *exchange, unsigned http, const char *message,
                              const char *allow)
{
    struct tilery_error error = {.status = TILERY_UNKNOWN};

    (void)snprintf(error.message, sizeof error.message, "%s", message);
    return bridge_send_error(exchange, http, &error, allow);
}

enum MHD_Result bridge_send_failure(struct exchange *exchange)
{
    runs_tell_whose_token(&exchange->error);
    /* By nobody else, then. */
    if (exchange->error.status == TILERY_CANCELLED && exchange->bridge->stops)
        exchange->error = (struct tilery_error){.status = TILERY_UNAVAILABLE, .message = BRIDGE_DRAINS};
    return bridge_send_error(exchange, tilery_status_http(exchange->error.status), &exchange->error, NULL);
}

/* ---- Computations ---- */

static void computed(void *arg, tilery_result *result, const struct tilery_error *error)
{
    struct exchange *exchange = arg;
    uint64_t share = result != NULL ? budget_share(tilery_result_bytes(result)) : 0;

    budget_change(&exchange->bridge->budget, exchange->budget_share, share);
    exchange->budget_share = share;
    exchange->result = result;
    if (result != NULL) {
        struct tilery_summary summary = tilery_result_summary(result);

        exchange->times = (struct run_times){true, summary.queue_ns, summary.run_ns};
    }
    bridge_called(exchange, error);
}

static enum MHD_Result answer_compute(struct exchange *exchange)
{
    return exchange->failed ? bridge_send_failure(exchange) : bridge_send_result(exchange);
}

static enum MHD_Result compute(struct exchange *exchange, enum tilery_mode mode, enum format format)
{
    struct tilery_call_options named;
    struct tilery_error error;

    exchange->format = format;
    tilery_compute_request_init(&exchange->request);
    exchange->request.mode = mode;
    if (!bridge_read_params(exchange))
        return bridge_send_failure(exchange);
    if (strcmp(exchange->method, "HEAD") == 0)
        return bridge_send_head(exchange, JSON);
    if (exchange->data)
        return bridge_gather(exchange);
    if (!bridge_reserve(exchange, budget_share(tilery_compute_request_bytes(&exchange->request))))
        return bridge_send_failure(exchange);
    named = bridge_call_options(exchange);
    bridge_suspend(exchange, answer_compute);
    peer_calls(exchange->bridge->watch, exchange->peer, exchange->call_id);
    if (tilery_compute_async(exchange->bridge->options.client, &exchange->request, &named, computed, exchange,
                             &error) != TILERY_OK)
        bridge_called(exchange, &error);
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

/* ---- Metrics ---- */

static void collected(void *arg, tilery_stats_list *list)
{
    struct exchange *exchange = arg;

    exchange->stats = list;
    bridge_called(exchange, NULL);
}

static void write_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
    exposition_family(out, name, "gauge", help);
    exposition_sample(out, name, (const struct exposition_label[]){{NULL, NULL}}, value);
}

/* What is so now, this request and its connection counted. */
static void write_gauges(FILE *out, struct bridge *bridge)
{
    const struct exposition_label build[] = {{"version", tilery_version()}, {NULL, NULL}};
    unsigned connections, in_hand;

    /* One at a time: libmicrohttpd adds its threads' connections up in a place of its own. */
    pthread_mutex_lock(&bridge->mutex);
    connections = MHD_get_daemon_info(bridge->http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
    in_hand = bridge->in_hand;
    pthread_mutex_unlock(&bridge->mutex);
    exposition_family(out, "tilery_bridge_build_info", "gauge", "Always 1.");
    exposition_sample(out, "tilery_bridge_build_info", build, 1);
    write_gauge(out, "tilery_bridge_connections", "HTTP connections now.", connections);
    write_gauge(out, "tilery_bridge_requests_in_hand", "Requests not yet answered.", in_hand);
    write_gauge(out, "tilery_bridge_streams", "Runs of /api/compute/stream under way.",
                runs_open(bridge->runs));
    write_gauge(out, "tilery_bridge_reply_bytes", "What large answers that are not sent yet take.",
                atomic_load(&bridge->budget.held));
    write_gauge(out, "tilery_bridge_reply_budget_bytes", "What they may take.", bridge->budget.limit);
}

/* Where the servers could not be asked for want of memory, the bridge's own are there all the same. */
static enum MHD_Result answer_metrics(struct exchange *exchange)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (out == NULL)
        return MHD_NO;
    write_gauges(out, exchange->bridge);
    metrics_write(out, &exchange->bridge->metrics, bridge_route_name);
    if (exchange->stats != NULL)
        metrics_write_servers(out, exchange->stats);
    if (fclose(out) == 0)
        return bridge_send_metrics(exchange, text, len);
    free(text);
    return MHD_NO;
}

static enum MHD_Result metrics(struct exchange *exchange)
{
    const struct tilery_call_options quick = {.timeout_ms = BRIDGE_CHECK_TIMEOUT_MS};
    struct tilery_error error;

    if (strcmp(exchange->method, "HEAD") == 0)
        return bridge_send_head(exchange, EXPOSITION_TYPE);
    bridge_suspend(exchange, answer_metrics);
    if (tilery_stats_all_async(exchange->bridge->options.client, &quick, collected, exchange, &error) !=
        TILERY_OK)
        bridge_called(exchange, &error);
    return MHD_YES;
}

static enum MHD_Result openapi(struct exchange *exchange)
{
    return bridge_send_constant(exchange, JSON, bridge_openapi, bridge_openapi_len);
}

/* ---- The page, which holds nothing that a token would guard ---- */

static enum MHD_Result page(struct exchange *exchange)
{
    return bridge_send_file(exchange, web_find("index.html"));
}

static enum MHD_Result file(struct exchange *exchange)
{
    const struct web_file *found = web_find(strrchr(exchange->path, '/') + 1);

    if (found == NULL)
        return bridge_refuse(exchange, MHD_HTTP_NOT_FOUND, "the page has no such file", NULL);
    return bridge_send_file(exchange, found);
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
    struct tilery_error error = {.status = TILERY_RESOURCE_EXHAUSTED,
                                 .retry_after_ms = BRIDGE_RETRY_AFTER_MS};

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
    char message[sizeof exchange->error.message] = "no such route; there are";

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
    if (strcmp(name, "DELETE") == 0)
        return METHOD_DELETE;
    return strcmp(name, "POST") == 0 ? METHOD_POST : 0;
}

static enum MHD_Result refuse_method(struct exchange *exchange, unsigned methods)
{
    const char *allow = (methods & METHOD_DELETE) != 0 ? "DELETE, OPTIONS"
                        : (methods & METHOD_POST) != 0 ? "GET, HEAD, POST, OPTIONS"
                                                       : "GET, HEAD, OPTIONS";
    char shown[40], message[120];

    (void)snprintf(message, sizeof message, "the method is %s; it must be one of %s",
                   wire_quote(shown, sizeof shown, exchange->method), allow);
    return bridge_refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, message, allow);
}

/* A route's last segment may be a name in braces, for any that is not empty. */
static bool is_path_of(const struct route *route, const char *path)
{
    size_t fixed = strcspn(route->path, "{");

    if (route->path[fixed] == '\0')
        return strcmp(path, route->path) == 0;
    return strncmp(path, route->path, fixed) == 0 && path[fixed] != '\0' && strchr(&path[fixed], '/') == NULL;
}

enum MHD_Result bridge_route(struct exchange *exchange, const char *path)
{
    const struct route *route = routes;

    while (route < routes + ROUTES && !is_path_of(route, path))
        route++;
    exchange->route = route < routes + ROUTES ? (unsigned)(route - routes) + 1 : 0;
    if (exchange->too_long || exchange->target.length > BRIDGE_MAX_URL)
        return refuse_length(exchange);
    if (exchange->failed)
        return bridge_send_failure(exchange);
    if (!bridge_host_allowed(exchange))
        return bridge_refuse(exchange, MHD_HTTP_FORBIDDEN,
                             "the Host header names no host of this service; see --allow-host", NULL);
    if (exchange->route == 0 || (route->methods & OPEN) == 0) {
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
