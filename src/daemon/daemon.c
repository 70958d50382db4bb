#include "daemon/daemon.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/quota.h"
#include "daemon/security.h"
#include "rpc/server.h"
#include "service/service.h"

#define MAX_LISTEN 16
#define URL_BYTES 256

/* Requests that are looked at whatever waits and runs: Health, Cancel, refusals. */
#define RESERVE 32
/* One connection leaves so many contexts to the others. */
#define OTHERS 16
#define REPLY_BUDGET (UINT64_C(512) << 20)
#define REQUEST_BUDGET (UINT64_C(64) << 20)
/* A last reply that its client does not read is given up after this. */
#define LINGER_MS 2000

struct daemon {
    struct security *security;
    struct service *service;
    struct rpc_server *rpc;
    struct log *log; /* NULL: off */
    char urls[MAX_LISTEN][URL_BYTES];
};

bool daemon_log_parse(const char *text, enum daemon_log *out)
{
    static const char *const names[] = {
        [DAEMON_LOG_OFF] = "off", [DAEMON_LOG_LOGFMT] = "logfmt", [DAEMON_LOG_JSON] = "json"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum daemon_log)i;
            return true;
        }
    return false;
}

uint64_t daemon_reply_budget(void)
{
    uint64_t quarter = quota_read("/").memory_bytes / 4;

    return quarter != 0 && quarter < REPLY_BUDGET ? quarter : REPLY_BUDGET;
}

static uint64_t reply_budget(const struct daemon_options *options)
{
    return options->reply_budget_bytes != 0 ? options->reply_budget_bytes : daemon_reply_budget();
}

/* Where nobody says and there is no quota, the service goes by the CPUs that it may use; 0 leaves that to it.
 */
static uint32_t threads_by_quota(void)
{
    const struct quota quota = quota_read("/");
    cpu_set_t set;

    return quota_threads(&quota, sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set)
                                                                             : UINT32_MAX);
}

static enum wire_status listen_all(struct daemon *daemon, const struct daemon_options *options,
                                   struct wire_error *error)
{
    if (options->listen_count == 0 || options->listen_count > MAX_LISTEN)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "%zu addresses to listen on; from 1 to %d are allowed", options->listen_count,
                              MAX_LISTEN);
    for (size_t i = 0; i < options->listen_count; i++)
        if (rpc_server_listen(daemon->rpc, options->listen[i], daemon->urls[i], error) != WIRE_OK)
            return error->status;
    return WIRE_OK;
}

static void on_end(void *arg, const struct rpc_ended *ended)
{
    struct daemon *daemon = arg;

    service_count(daemon->service, ended);
    if (daemon->log != NULL)
        log_call(daemon->log, ended);
}

static void on_stream(void *arg, const struct service_stream_run *run)
{
    const struct daemon *daemon = arg;

    if (daemon->log != NULL)
        log_stream(daemon->log, run);
}

static void on_gone(void *arg, uint32_t connection)
{
    const struct daemon *daemon = arg;

    service_connection_gone(daemon->service, connection);
}

static void on_refused(void *arg, unsigned listener, enum rpc_refusal why, uint64_t count)
{
    static const char *const messages[RPC_REFUSALS] = {
        [RPC_REFUSED_TLS] =
            "no TLS handshake: it is no TLS, or one side does not accept the other's certificate",
        [RPC_REFUSED_SURPLUS] = "closed: there are as many as --max-connections",
        [RPC_REFUSED_SLOW] = "no TLS handshake within 10 s",
        [RPC_REFUSED_PROTOCOL] = "no handshake: it is no client of Tilery's"};
    const struct daemon *daemon = arg;

    log_connections(daemon->log, daemon->urls[listener], count, messages[why]);
}

static struct rpc_server_options rpc_options(const struct daemon_options *options, struct daemon *daemon)
{
    uint32_t max_threads = service_max_threads(daemon->service);
    struct rpc_server_options rpc = {.contexts =
                                         max_threads + options->max_queue + SERVICE_MAX_STREAMS + RESERVE,
                                     .max_connections = options->max_connections,
                                     .max_timeout_ms = options->max_timeout_ms,
                                     .send_timeout_ms = options->send_timeout_ms,
                                     .request_budget_bytes = REQUEST_BUDGET,
                                     .reply_budget_bytes = reply_budget(options),
                                     .on_end = on_end,
                                     .on_end_arg = daemon,
                                     .on_gone = on_gone,
                                     .on_gone_arg = daemon,
                                     .on_refused = daemon->log != NULL ? on_refused : NULL,
                                     .on_refused_arg = daemon,
                                     .tls = options->tls,
                                     .authorize = security_authorize,
                                     .authorize_arg = daemon->security};

    rpc.max_calls = rpc.contexts - OTHERS;
    return rpc;
}

/* What calls on_end is gone before what it calls. */
static void free_all(struct daemon *daemon)
{
    rpc_server_free(daemon->rpc);
    service_free(daemon->service);
    log_free(daemon->log);
    security_free(daemon->security);
    free(daemon);
}

enum wire_status daemon_start(const struct daemon_options *options, struct daemon **out,
                              struct wire_error *error)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    struct service_options service = {.max_threads = options->max_threads != 0 ? options->max_threads
                                                                               : threads_by_quota(),
                                      .cpus = quota_read("/").cpus,
                                      .max_queue = options->max_queue,
                                      .max_timeout_ms = options->max_timeout_ms,
                                      .window_budget_bytes = reply_budget(options),
                                      .on_stream = on_stream,
                                      .on_stream_arg = daemon};
    struct rpc_server_options rpc;
    const struct rpc_service *table;
    size_t count;

    *out = NULL;
    if (daemon == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the server");
    table = service_table(&count);
    if (security_create(options, &daemon->security, error) != WIRE_OK)
        goto failed;
    if (options->log != DAEMON_LOG_OFF &&
        log_create(STDERR_FILENO, options->log == DAEMON_LOG_JSON, &daemon->log, error) != WIRE_OK)
        goto failed;
    if (service_create(&service, &daemon->service, error) != WIRE_OK)
        goto failed;
    rpc = rpc_options(options, daemon);
    if (rpc_server_create(&rpc, table, count, daemon->service, &daemon->rpc, error) != WIRE_OK ||
        listen_all(daemon, options, error) != WIRE_OK)
        goto failed;
    *out = daemon;
    return WIRE_OK;
failed:
    free_all(daemon);
    return error->status;
}

const char *daemon_url(const struct daemon *daemon, size_t i)
{
    return daemon->urls[i];
}

const char *daemon_url_risk(const struct daemon *daemon, size_t i)
{
    return security_url_risk(daemon->security, daemon->urls[i]);
}

enum wire_status daemon_reload(struct daemon *daemon, size_t *tokens, struct wire_error *error)
{
    return security_reload(daemon->security, tokens, error);
}

void daemon_drain(struct daemon *daemon, uint64_t grace_ms)
{
    service_drain(daemon->service);
    if (!service_wait_idle(daemon->service, grace_ms))
        service_cancel_all(daemon->service);
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon == NULL)
        return;
    daemon_drain(daemon, 0);
    rpc_server_stop(daemon->rpc, LINGER_MS);
    free_all(daemon);
}
