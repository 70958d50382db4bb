/* tilery-bridge: parse, start the server inside where no backend is named, serve HTTP until a signal. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_log.h"
#include "bridge.h"
#include "daemon/log.h"
#include "options.h"
#include "wire/address.h"
#include "wire/descriptors.h"
#include "wire/environment.h"
#include "wire/notify.h"
#include "wire/option.h"
#include "wire/signals.h"
#include "wire/token_file.h"
#include "wire/warn.h"

#define INNER_URL "inproc://tilery-bridge"
#define USAGE_EXIT 64
#define MAX_CONNECTIONS 4096
/* From one address, where others than this machine can reach the bridge. */
#define MAX_PER_ADDRESS 256
#define CONNECTION_TIMEOUT_S 30
/* Taken beyond max_connections, to be told to come again. */
#define SURPLUS_CONNECTIONS 64u
#define LEAST_DESCRIPTORS 64u
#define BACKEND_TIMEOUT_MS 60000
#define GRACE_MS 30000
#define HEARTBEAT_MS 10000
#define LEASE_MS 10000

__attribute__((visibility("default"))) const char *argp_program_version = "tilery-bridge " TILERY_VERSION;

/* prefix: of the options that are the fields of which the message may tell. */
static int complain(const char *prefix, const char *message, enum tilery_status status)
{
    char room[512];

    warn_say("tilery-bridge", "error: %s",
             option_message(bridge_argp_options, prefix, message, room, sizeof room));
    return status == TILERY_INVALID_ARGUMENT ? USAGE_EXIT : tilery_status_exit(status);
}

/* The client's server is the backend, and so are its other options. */
static int complain_of_client(const struct tilery_error *error)
{
    char room[512];

    if (strncmp(error->message, "server ", 7) != 0)
        return complain("backend-", error->message, error->status);
    (void)snprintf(room, sizeof room, "--backend %s", error->message + 7);
    return complain("", room, error->status);
}

/* HTTP here has no TLS. */
static void warn(const struct bridge_options *options, const struct bridge *bridge)
{
    if (!wire_address_is_local(options->listen))
        warn_say("tilery-bridge", "warning: %s %s", bridge_url(bridge),
                 options->token != NULL ? WARN_IN_CLEAR : "may be reached from other machines, by anybody");
}

/* What SIGHUP means, unless it is to end. */
static bool reloads(const struct settings *settings)
{
    return settings->token_file != NULL || settings->backend.token_file != NULL ||
           getenv(NOTIFY_SOCKET) != NULL;
}

/* The token that callers show, and the one that servers are shown: each for itself. */
static void reload(const struct bridge_options *options, const struct settings *settings)
{
    const char *callers = settings->token_file, *servers = settings->backend.token_file;
    struct tilery_error error;
    struct wire_error why;
    size_t tokens;

    if (callers != NULL || servers == NULL) {
        const char *failure =
            token_file_reload(options->token, &tokens, &why) != WIRE_OK ? why.message : NULL;

        warn_of_reload("tilery-bridge", bridge_argp_options, "", callers, tokens, failure);
    }
    if (servers != NULL)
        warn_of_reload("tilery-bridge", bridge_argp_options, "backend-", servers, 0,
                       tilery_client_set_token(options->client, NULL, servers, &error) != TILERY_OK
                           ? error.message
                           : NULL);
}

static int serve(const struct bridge_options *options, const struct settings *settings,
                 struct signals_start *start, sigset_t *signals)
{
    struct bridge *bridge;
    struct tilery_error error;
    int signal;

    if (bridge_start(options, &bridge, &error) != TILERY_OK) {
        tilery_client_close(options->client);
        return complain("", error.message, error.status);
    }
    signals_start_end(start);
    printf("listening on %s\n", bridge_url(bridge));
    warn_of_stdout("tilery-bridge");
    warn(options, bridge);
    notify(getenv(NOTIFY_SOCKET), NOTIFY_READY);
    while ((signal = signals_wait(signals)) == SIGHUP && reloads(settings))
        reload(options, settings);
    notify(getenv(NOTIFY_SOCKET), NOTIFY_STOPPING);
    signals_leave_on_next(); /* SIGHUP stays blocked: it is not to cut short the end */
    warn_say("tilery-bridge", "%s: finishing the work in hand", strsignal(signal));
    bridge_drain(bridge, settings->grace_ms);
    signals_start_watchdog();
    bridge_free(bridge);
    tilery_client_close(options->client);
    return 0;
}

/* Without descriptors libmicrohttpd would try to take the next connection over and over again: where there
 * are few, there are fewer connections, and of those that are taken to be told to come again, too. False:
 * where there are next to none, even that is too many. */
static bool limit_connections(struct settings *settings)
{
    unsigned allowed = descriptors_allow("tilery-bridge", settings->max_connections);

    settings->surplus = SURPLUS_CONNECTIONS;
    if (allowed >= settings->max_connections + DESCRIPTORS_BESIDE)
        return true;
    if (settings->max_connections > allowed / 2)
        settings->max_connections = allowed / 2;
    if (settings->surplus > allowed / 4)
        settings->surplus = allowed / 4;
    return allowed >= LEAST_DESCRIPTORS;
}

/* Warnings first: what fails afterwards may be because of what they say. */
static enum tilery_status open_client(const struct tilery_client_options *client, tilery_client **out,
                                      struct tilery_error *error)
{
    warn_of_file("tilery-bridge", client->token_file);
    warn_of_file("tilery-bridge", client->tls_key);
    warn_of_certificate("tilery-bridge", client->tls_cert);
    if (client->token_file != NULL)
        warn_of_token("tilery-bridge", client->server);
    return tilery_client_open(client, out, error);
}

/* What the bridge stands on; all of it may be missing. */
struct parts {
    struct token_file *token;
    struct access_log *access_log;
    struct daemon *daemon;
};

static enum wire_status start_daemon(const struct settings *settings, struct daemon **out,
                                     struct wire_error *error)
{
    struct daemon_options inner = DAEMON_DEFAULTS;
    const char *url = INNER_URL;

    inner.listen = &url;
    inner.listen_count = 1;
    inner.log = settings->log;
    return daemon_start(&inner, out, error);
}

static enum wire_status start_parts(const struct settings *settings, struct parts *parts,
                                    struct wire_error *error)
{
    enum wire_status status = WIRE_OK;

    if (settings->token_file != NULL)
        status = token_file_create(settings->token_file, &parts->token, error);
    if (status == WIRE_OK && settings->access_log != DAEMON_LOG_OFF)
        status = access_log_create(settings->access_log == DAEMON_LOG_JSON, &parts->access_log, error);
    if (status == WIRE_OK && settings->backend.server == NULL)
        status = start_daemon(settings, &parts->daemon, error);
    return status;
}

static void stop_parts(const struct parts *parts)
{
    daemon_stop(parts->daemon);
    access_log_free(parts->access_log);
    token_file_free(parts->token);
}

static struct bridge_options bridge_options(const struct settings *settings, const struct parts *parts)
{
    bool local = wire_address_is_local(settings->listen);

    return (struct bridge_options){.listen = settings->listen,
                                   .allowed_origins = settings->origins,
                                   .allowed_count = settings->origin_count,
                                   .check_host = parts->token == NULL || settings->host_count != 0,
                                   .allowed_hosts = settings->hosts,
                                   .host_count = settings->host_count,
                                   .token = parts->token,
                                   .reply_budget_bytes = settings->reply_budget_bytes,
                                   .max_connections = settings->max_connections,
                                   .surplus_connections = settings->surplus,
                                   .max_per_address = settings->per_address_given ? settings->max_per_address
                                                      : local                     ? 0
                                                                                  : MAX_PER_ADDRESS,
                                   .connection_timeout_s = settings->connection_timeout_s,
                                   .backend_timeout_ms = settings->backend_timeout_ms,
                                   .heartbeat_ms = settings->heartbeat_ms,
                                   .lease_ms = settings->lease_ms,
                                   .on_answered = parts->access_log != NULL ? access_log_write : NULL,
                                   .on_answered_arg = parts->access_log};
}

static int run(const struct settings *settings, struct signals_start *start, sigset_t *signals)
{
    struct tilery_client_options client = settings->backend;
    struct bridge_options bridge;
    struct parts parts = {0};
    struct wire_error wire_error;
    struct tilery_error error;
    int status;

    warn_of_file("tilery-bridge", settings->token_file);
    if (start_parts(settings, &parts, &wire_error) != WIRE_OK) {
        stop_parts(&parts);
        return complain("", wire_error.message, (enum tilery_status)wire_error.status);
    }
    bridge = bridge_options(settings, &parts);
    if (client.server == NULL)
        client.server = INNER_URL;
    if (open_client(&client, &bridge.client, &error) != TILERY_OK)
        status = complain_of_client(&error);
    else
        status = serve(&bridge, settings, start, signals);
    stop_parts(&parts);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {.listen = DEFAULT_LISTEN,
                                .backend.server = getenv("TILERY_BACKEND"),
                                .backend.no_pauses = true, /* whoever asks decides whether to wait */
                                .access_log = DAEMON_LOG_LOGFMT,
                                .reply_budget_bytes = daemon_reply_budget(),
                                .max_connections = MAX_CONNECTIONS,
                                .connection_timeout_s = CONNECTION_TIMEOUT_S,
                                .backend_timeout_ms = BACKEND_TIMEOUT_MS,
                                .grace_ms = GRACE_MS,
                                .heartbeat_ms = HEARTBEAT_MS,
                                .lease_ms = LEASE_MS};
    int count = argc;
    char **with_environment =
        environment_argv("TILERY_BRIDGE", bridge_argp_options, bridge_argp_lists, &count, argv);
    struct signals_start start;
    sigset_t signals;
    int status;

    descriptors_hold_standard();
    if (with_environment == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    options_parse(count, with_environment, count - argc, &settings);
    if (settings.access_log == DAEMON_LOG_JSON)
        warn_with(log_say_json);
    signals_to_end(&signals);
    signals_add_hangup(&signals, reloads(&settings));
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signals_start_begin(&start);
    status = limit_connections(&settings)
                 ? run(&settings, &start, &signals)
                 : complain("", "64 descriptors are the least that it wants", TILERY_RESOURCE_EXHAUSTED);
    signals_start_end(&start);
    environment_free(with_environment);
    return status;
}
