#include "bridge.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "wire/clock.h"
#include "wire/condition.h"

#define HTTP_THREADS 2u
#define CONNECTION_MEMORY (32u << 10)
#define DROPPED_BODY (1u << 20)
#define CANCEL_TIMEOUT_MS 2000
#define LAST_ANSWERS_MS 1000
#define HANG_UP_MS 2000

static void on_cancelled(void *arg, bool found, const struct tilery_error *error)
{
    struct bridge *bridge = arg;

    (void)found;
    (void)error;
    watch_told(bridge->watch);
}

/* On the watch's thread: see there. */
static void on_gone(void *arg, const char *call_id)
{
    const struct tilery_call_options soon = {.timeout_ms = CANCEL_TIMEOUT_MS};
    struct bridge *bridge = arg;

    if (runs_left(bridge->runs, call_id)) {
        watch_told(bridge->watch);
        return;
    }
    if (tilery_cancel_async(bridge->options.client, call_id, &soon, on_cancelled, bridge, NULL) != TILERY_OK)
        watch_told(bridge->watch);
}

/* libmicrohttpd's first and last word on a connection, whose descriptor is open all the while. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **peer,
                          enum MHD_ConnectionNotificationCode what)
{
    struct bridge *bridge = arg;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED)
        watch_leave(bridge->watch, *peer);
    else
        *peer =
            watch_enter(bridge->watch,
                        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* NULL when there is no memory, or was none for the connection's peer. */
static struct exchange *new_exchange(struct bridge *bridge, struct MHD_Connection *connection,
                                     const char *method, struct target target)
{
    struct peer *peer = peer_of(connection);
    struct exchange *exchange = peer != NULL ? calloc(1, sizeof *exchange) : NULL;

    if (exchange == NULL || (exchange->method = strdup(method)) == NULL) {
        free(exchange);
        return NULL;
    }
    exchange->bridge = bridge;
    exchange->connection = connection;
    exchange->peer = peer;
    exchange->target = target;
    exchange->begin_ns = wire_now_ns();
    pthread_mutex_lock(&bridge->mutex);
    exchange->late = peer_is_late(peer);
    bridge->in_hand++;
    bridge->awaited += !exchange->late;
    pthread_mutex_unlock(&bridge->mutex);
    return exchange;
}

static void count(const struct exchange *exchange)
{
    const struct metrics_request request = {.route = exchange->route,
                                            .method = exchange->method,
                                            .http = exchange->http,
                                            .duration_ns = wire_now_ns() - exchange->begin_ns,
                                            .received_bytes = exchange->body_len,
                                            .sent_bytes = exchange->bytes};

    metrics_count(&exchange->bridge->metrics, &request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct bridge *bridge = arg;
    struct exchange *exchange = *state;
    bool late;

    (void)connection;
    if (exchange == NULL || target_is_packed(exchange))
        return;
    *state = NULL;
    count(exchange);
    if (bridge->options.on_answered != NULL)
        bridge_tell_answered(exchange, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    peer_answered(bridge->watch, exchange->peer);
    (void)tilery_stream_drop(exchange->stream);
    tilery_stats_list_free(exchange->stats);
    bridge_picture_free(exchange->picture);
    bridge_let_go(exchange);
    late = exchange->late;
    free(exchange->method);
    free(exchange->body);
    free(exchange);
    pthread_mutex_lock(&bridge->mutex);
    bridge->in_hand--;
    if (!late && --bridge->awaited == 0)
        pthread_cond_broadcast(&bridge->idle);
    pthread_mutex_unlock(&bridge->mutex);
}

static enum MHD_Result answer(struct exchange *exchange, const char *path)
{
    peer_received(exchange->bridge->watch, exchange->peer);
    return bridge_route(exchange, path);
}

static const char *header_of(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* Whether the body is worth reading: also one that is too long, since an answer that comes before its end
 * closes the connection, and a reset may reach the sender first. */
static bool is_to_be_read(const struct exchange *exchange, unsigned long long length)
{
    return !exchange->too_long ||
           (length <= DROPPED_BODY && header_of(exchange, MHD_HTTP_HEADER_EXPECT) == NULL);
}

/* The headers have been read. */
static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *url,
                             const char *version)
{
    const char *text = header_of(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    unsigned long long length = text != NULL ? strtoull(text, NULL, 10) : 0;

    bridge_name(exchange);
    exchange->too_long = length > BRIDGE_MAX_BODY;
    if (bridge_is_clear(exchange, method, url, version) && is_to_be_read(exchange, length))
        return MHD_YES;
    return answer(exchange, ""); /* before the body has come */
}

/* A piece of a body. One that is too long is read on for a while, so that its sender sees the answer. */
static enum MHD_Result take_body(struct exchange *exchange, const char *piece, size_t len)
{
    if (exchange->body == NULL && (exchange->body = malloc(BRIDGE_MAX_BODY)) == NULL)
        return MHD_NO;
    exchange->too_long |= len > BRIDGE_MAX_BODY || exchange->body_len > BRIDGE_MAX_BODY - len;
    if (!exchange->too_long)
        memcpy(&exchange->body[exchange->body_len], piece, len);
    else if (exchange->body_len > DROPPED_BODY)
        return MHD_NO;
    exchange->body_len += len;
    return MHD_YES;
}

/* libmicrohttpd calls it for the headers, for each piece of a body, at its end, and after each resume. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct exchange *exchange = *state;

    if (target_is_packed(exchange)) {
        exchange = new_exchange(arg, connection, method, target_unpack(*state));
        if (exchange == NULL)
            return MHD_NO;
        *state = exchange;
        (void)snprintf(exchange->path, sizeof exchange->path, "%s", target_path(exchange->target, url));
        return begin(exchange, method, url, version);
    }
    if (*upload_size != 0) {
        enum MHD_Result taken = take_body(exchange, upload, *upload_size);

        *upload_size = 0;
        return taken;
    }
    if (exchange->phase == EXCHANGE_CALLED)
        return exchange->answer(exchange);
    return exchange->phase == EXCHANGE_READING ? answer(exchange, target_path(exchange->target, url))
                                               : MHD_YES;
}

/* libmicrohttpd 1.0 would else put folded headers together, which others may read otherwise. */
#if MHD_VERSION >= 0x01000000
#define STRICT MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
#define STRICT
#endif

static bool start_http(struct bridge *bridge, const struct addrinfo *address)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;

    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK; /* [::] is IPv4, too, as it is to nng */
    /* A request that comes at once begins when bridge->http is there: see new_exchange. */
    pthread_mutex_lock(&bridge->mutex);
    bridge->http = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, bridge, MHD_OPTION_SOCK_ADDR, address->ai_addr,
        MHD_OPTION_URI_LOG_CALLBACK, target_on_url, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, bridge,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, bridge, MHD_OPTION_THREAD_POOL_SIZE, HTTP_THREADS,
        MHD_OPTION_CONNECTION_TIMEOUT, bridge->options.connection_timeout_s, MHD_OPTION_CONNECTION_LIMIT,
        bridge->options.max_connections + bridge->options.surplus_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, bridge->options.max_per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, STRICT MHD_OPTION_END);
    pthread_mutex_unlock(&bridge->mutex);
    return bridge->http != NULL;
}

static void set_url(struct bridge *bridge, const char *listen)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(bridge->http, MHD_DAEMON_INFO_BIND_PORT);

    (void)snprintf(bridge->url, sizeof bridge->url, "http://%.*s:%u", (int)(strrchr(listen, ':') - listen),
                   listen, info != NULL ? (unsigned)info->port : 0);
}

enum tilery_status bridge_start(const struct bridge_options *options, struct bridge **out,
                                struct tilery_error *error)
{
    struct bridge *bridge;
    struct addrinfo *address;
    struct watch_options watched;

    *out = NULL;
    if (bridge_read_address(options->listen, &address, error) != TILERY_OK)
        return error->status;
    bridge = calloc(1, sizeof *bridge);
    if (bridge == NULL) {
        freeaddrinfo(address);
        return bridge_fail(error, TILERY_RESOURCE_EXHAUSTED, "no memory for the %s", "bridge");
    }
    bridge->options = *options;
    bridge->budget.limit = options->reply_budget_bytes;
    pthread_mutex_init(&bridge->mutex, NULL);
    condition_init(&bridge->idle);
    watched = (struct watch_options){.request_timeout_ms = options->connection_timeout_s * UINT64_C(1000),
                                     .max_peers = options->max_connections,
                                     .on_gone = on_gone,
                                     .arg = bridge};
    if (watch_create(&watched, &bridge->watch) != TILERY_OK ||
        runs_create(&(struct runs_options){options->heartbeat_ms, options->lease_ms, &bridge->budget},
                    &bridge->runs) != TILERY_OK) {
        freeaddrinfo(address);
        bridge_free(bridge);
        return bridge_fail(error, TILERY_RESOURCE_EXHAUSTED, "no memory or thread for the %s", "bridge");
    }
    if (!start_http(bridge, address)) {
        bridge_explain(address, options->listen, error);
        freeaddrinfo(address);
        bridge_free(bridge);
        return error->status;
    }
    freeaddrinfo(address);
    set_url(bridge, options->listen);
    *out = bridge;
    return TILERY_OK;
}

const char *bridge_url(const struct bridge *bridge)
{
    return bridge->url;
}

/* Until all that the bridge waits for is answered. */
static void wait_idle(struct bridge *bridge, uint64_t most_ms)
{
    uint64_t until_ns = wire_after_ms(most_ms);

    pthread_mutex_lock(&bridge->mutex);
    while (bridge->awaited != 0 && condition_wait(&bridge->idle, &bridge->mutex, until_ns))
        continue;
    pthread_mutex_unlock(&bridge->mutex);
}

/* Who kept a connection may send on it before anybody can tell: that is answered, once. */
void bridge_drain(struct bridge *bridge, uint64_t grace_ms)
{
    bridge->draining = true;
    watch_drain(bridge->watch);
    wait_idle(bridge, grace_ms);
    bridge_stop_listening(bridge->http);
    runs_stop(bridge->runs);
    watch_stop(bridge->watch);
}

void bridge_free(struct bridge *bridge)
{
    if (bridge == NULL)
        return;
    if (bridge->http != NULL) {
        bridge->stops = true;
        tilery_client_stop(bridge->options.client); /* ends what a suspended connection waits for, */
        wait_idle(bridge, LAST_ANSWERS_MS);         /* which is then told why */
        watch_hang_up(bridge->watch, HANG_UP_MS);
        MHD_stop_daemon(bridge->http);
    }
    watch_free(bridge->watch);
    runs_free(bridge->runs);
    pthread_cond_destroy(&bridge->idle);
    pthread_mutex_destroy(&bridge->mutex);
    free(bridge);
}
