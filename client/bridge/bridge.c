#include "bridge.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

#define HTTP_THREADS 2u
#define CONNECTION_TIMEOUT_S 30u
#define MAX_CONNECTIONS 4096u
#define CONNECTION_MEMORY (32u << 10)

static enum tilery_status fail(struct tilery_error *error, enum tilery_status status, const char *text,
                               const char *value)
{
    error->status = status;
    error->retry_after_ms = 0;
    (void)snprintf(error->message, sizeof error->message, text, value);
    return status;
}

static struct exchange *new_exchange(struct bridge *bridge, struct MHD_Connection *connection,
                                     const char *method)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL)
        return NULL;
    exchange->bridge = bridge;
    exchange->connection = connection;
    exchange->method = strdup(method);
    if (exchange->method == NULL) {
        free(exchange);
        return NULL;
    }
    pthread_mutex_lock(&bridge->mutex);
    bridge->in_hand++;
    pthread_mutex_unlock(&bridge->mutex);
    return exchange;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct bridge *bridge = arg;
    struct exchange *exchange = *state;

    (void)connection;
    (void)how;
    if (exchange == NULL)
        return;
    *state = NULL;
    tilery_result_free(exchange->result);
    free(exchange->method);
    free(exchange);
    pthread_mutex_lock(&bridge->mutex);
    if (--bridge->in_hand == 0)
        pthread_cond_broadcast(&bridge->idle);
    pthread_mutex_unlock(&bridge->mutex);
}

/* libmicrohttpd calls it for the headers, for each piece of a body, at its end, and after each resume. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct exchange *exchange = *state;

    (void)version;
    (void)upload;
    if (exchange == NULL) {
        *state = new_exchange(arg, connection, method);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*upload_size != 0) {
        *upload_size = 0; /* no route takes a body */
        return MHD_YES;
    }
    if (exchange->phase == EXCHANGE_CALLED)
        return bridge_answer(exchange);
    return exchange->phase == EXCHANGE_READING ? bridge_route(exchange, url) : MHD_YES;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits != 0 && digits < 6 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* ADDR:PORT, both numeric; the last colon parts them, and an IPv6 address stands in brackets. */
static enum tilery_status read_address(const char *listen, struct addrinfo **out, struct tilery_error *error)
{
    static const char text[] = "listen is \"%s\"; it must be a numeric ADDR:PORT such as 127.0.0.1:8405";
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(listen, ':');
    char host[64];
    size_t len;

    if (colon == NULL || !is_port(colon + 1))
        return fail(error, TILERY_INVALID_ARGUMENT, text, listen);
    len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && colon[-1] == ']') {
        listen++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof host)
        return fail(error, TILERY_INVALID_ARGUMENT, text, listen);
    memcpy(host, listen, len);
    host[len] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, out) != 0)
        return fail(error, TILERY_INVALID_ARGUMENT, text, listen);
    return TILERY_OK;
}

static bool start_http(struct bridge *bridge, const struct addrinfo *address)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;

    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    bridge->http = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, bridge, MHD_OPTION_SOCK_ADDR, address->ai_addr,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, bridge, MHD_OPTION_THREAD_POOL_SIZE, HTTP_THREADS,
        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
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
    pthread_condattr_t clock;

    *out = NULL;
    if (read_address(options->listen, &address, error) != TILERY_OK)
        return error->status;
    bridge = calloc(1, sizeof *bridge);
    if (bridge == NULL) {
        freeaddrinfo(address);
        return fail(error, TILERY_RESOURCE_EXHAUSTED, "no memory for the %s", "bridge");
    }
    bridge->options = *options;
    pthread_mutex_init(&bridge->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&bridge->idle, &clock);
    pthread_condattr_destroy(&clock);
    if (!start_http(bridge, address)) {
        freeaddrinfo(address);
        bridge_free(bridge);
        return fail(error, TILERY_UNAVAILABLE, "cannot listen on %s: is the port taken?", options->listen);
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

void bridge_drain(struct bridge *bridge, uint64_t grace_ms)
{
    MHD_socket listener = MHD_quiesce_daemon(bridge->http);
    struct timespec until;

    if (listener != MHD_INVALID_SOCKET)
        (void)shutdown(listener, SHUT_RDWR);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(grace_ms / 1000);
    pthread_mutex_lock(&bridge->mutex);
    while (bridge->in_hand != 0 && pthread_cond_timedwait(&bridge->idle, &bridge->mutex, &until) == 0)
        continue;
    pthread_mutex_unlock(&bridge->mutex);
}

void bridge_free(struct bridge *bridge)
{
    if (bridge == NULL)
        return;
    if (bridge->http != NULL)
        MHD_stop_daemon(bridge->http);
    pthread_cond_destroy(&bridge->idle);
    pthread_mutex_destroy(&bridge->mutex);
    free(bridge);
}
