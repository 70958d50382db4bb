#include <stdio.h>
#include <string.h>

#include "internal.h"

#define ALLOW "GET, HEAD, OPTIONS"
#define ALLOW_POST "GET, HEAD, POST, OPTIONS"
#define HEALTH_TIMEOUT_MS 2000

enum route { ROUTE_CONCURRENT, ROUTE_SEQUENTIAL, ROUTE_TRACE, ROUTE_HEALTH, ROUTES };

static const char *const paths[ROUTES] = {
    [ROUTE_CONCURRENT] = "/api/compute/concurrent",
    [ROUTE_SEQUENTIAL] = "/api/compute/sequential",
    [ROUTE_TRACE] = "/api/compute/trace.json",
    [ROUTE_HEALTH] = "/api/compute/health",
};

static enum MHD_Result refuse(struct exchange *exchange, unsigned http, const char *message,
                              const char *allow)
{
    struct tilery_error error = {.status = TILERY_NOT_FOUND};

    (void)snprintf(error.message, sizeof error.message, "%s", message);
    return bridge_send_error(exchange, http, &error, allow);
}

/* The call has ended, on a thread of libtilery, or could not even begin. */
static void called(struct exchange *exchange, const struct tilery_error *error)
{
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

/* Suspended first: the callback may come before the call has returned. */
static enum MHD_Result start_call(struct exchange *exchange)
{
    tilery_client *client = exchange->bridge->options.client;
    const struct tilery_call_options quick = {.timeout_ms = HEALTH_TIMEOUT_MS};
    const struct tilery_call_options named = {.request_id = exchange->id};
    struct tilery_error error;
    enum tilery_status status;

    exchange->phase = EXCHANGE_WAITING;
    MHD_suspend_connection(exchange->connection);
    if (exchange->is_health)
        status = tilery_health_async(client, &quick, checked, exchange, &error);
    else
        status = tilery_compute_async(client, &exchange->request, &named, computed, exchange, &error);
    if (status != TILERY_OK)
        called(exchange, &error);
    return MHD_YES;
}

static enum MHD_Result handle(struct exchange *exchange, enum route route)
{
    exchange->is_health = route == ROUTE_HEALTH;
    exchange->format = route == ROUTE_TRACE ? FORMAT_TRACE : FORMAT_JSON;
    tilery_compute_request_init(&exchange->request);
    if (route == ROUTE_SEQUENTIAL)
        exchange->request.mode = TILERY_MODE_SEQUENTIAL;
    if (!exchange->is_health && !bridge_read_params(exchange))
        return bridge_send_error(exchange, tilery_status_http(exchange->error.status), &exchange->error,
                                 NULL);
    if (strcmp(exchange->method, "HEAD") == 0)
        return bridge_send_head(exchange);
    return start_call(exchange);
}

static bool is_allowed(const char *method, enum route route)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           (strcmp(method, "POST") == 0 && route != ROUTE_HEALTH);
}

static enum MHD_Result refuse_length(struct exchange *exchange)
{
    char message[128];

    if (exchange->too_long) {
        (void)snprintf(message, sizeof message, "the body is longer than %u bytes", BRIDGE_MAX_BODY);
        return refuse(exchange, MHD_HTTP_CONTENT_TOO_LARGE, message, NULL);
    }
    (void)snprintf(message, sizeof message, "the URL has %zu bytes; at most %u are allowed",
                   exchange->url_len, BRIDGE_MAX_URL);
    return refuse(exchange, MHD_HTTP_URI_TOO_LONG, message, NULL);
}

enum MHD_Result bridge_route(struct exchange *exchange, const char *path)
{
    unsigned route = 0;

    if (exchange->too_long || exchange->url_len > BRIDGE_MAX_URL)
        return refuse_length(exchange);

    while (route < ROUTES && strcmp(path, paths[route]) != 0)
        route++;
    if (route == ROUTES)
        return refuse(exchange, MHD_HTTP_NOT_FOUND,
                      "no such route; there are /api/compute/concurrent, /api/compute/sequential, "
                      "/api/compute/trace.json and /api/compute/health",
                      NULL);
    if (strcmp(exchange->method, "OPTIONS") == 0)
        return bridge_send_empty(exchange);
    if (!is_allowed(exchange->method, (enum route)route))
        return refuse(exchange, MHD_HTTP_METHOD_NOT_ALLOWED,
                      route == ROUTE_HEALTH ? "the method must be one of " ALLOW
                                            : "the method must be one of " ALLOW_POST,
                      route == ROUTE_HEALTH ? ALLOW : ALLOW_POST);
    return handle(exchange, (enum route)route);
}

enum MHD_Result bridge_answer(struct exchange *exchange)
{
    if (exchange->is_health)
        return bridge_send_health(exchange, !exchange->failed,
                                  exchange->failed ? exchange->error.message
                                                   : "The Tilery server is serving");
    if (exchange->failed)
        return bridge_send_error(exchange, tilery_status_http(exchange->error.status), &exchange->error,
                                 NULL);
    return bridge_send_result(exchange);
}
