/* tilery-bridge: parse, start the server inside where no backend is named, serve HTTP until a signal. */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access_log.h"
#include "bridge.h"
#include "daemon/daemon.h"
#include "wire/address.h"
#include "wire/descriptors.h"
#include "wire/environment.h"
#include "wire/notify.h"
#include "wire/option.h"
#include "wire/signals.h"
#include "wire/token_file.h"
#include "wire/warn.h"

#define DEFAULT_LISTEN "127.0.0.1:8405"
#define INNER_URL "inproc://tilery-bridge"
#define USAGE_EXIT 64
#define MAX_NAMES 16
#define MAX_CONNECTIONS 4096
/* From one address, where others than this machine can reach the bridge. */
#define MAX_PER_ADDRESS 256
#define CONNECTION_TIMEOUT_S 30
/* Taken beyond max_connections, to be told to come again. */
#define SURPLUS_CONNECTIONS 64u
#define LEAST_DESCRIPTORS 64u
#define GRACE_MS 30000
#define HEARTBEAT_MS 10000
#define LEASE_MS 10000

__attribute__((visibility("default"))) const char *argp_program_version = "tilery-bridge " TILERY_VERSION;

struct settings {
    const char *listen;
    struct tilery_client_options backend; /* without a server: one inside this process */
    const char *origins[MAX_NAMES], *hosts[MAX_NAMES];
    size_t origin_count, host_count;
    enum daemon_log access_log;
    uint64_t reply_budget_bytes;
    enum daemon_log log; /* of the server inside */
    const char *token_file;
    unsigned max_connections, surplus, max_per_address, connection_timeout_s;
    bool per_address_given;
    uint64_t heartbeat_ms, lease_ms;
};

enum {
    OPT_HOST = 256,
    OPT_MAX_CONNECTIONS,
    OPT_MAX_PER_ADDRESS,
    OPT_TIMEOUT,
    OPT_REPLY_BUDGET,
    OPT_ACCESS_LOG,
    OPT_LOG,
    OPT_TLS_CA,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TLS_NAME,
    OPT_BACKEND_TOKEN_FILE,
    OPT_TOKEN_FILE,
    OPT_HEARTBEAT,
    OPT_LEASE
};

static const struct argp_option argp_options[] = {
    {"listen", 'l', "ADDR:PORT", 0, "Address to serve HTTP on (default " DEFAULT_LISTEN ")", 0},
    {"backend", 'b', "URL[,URL...]", 0,
     "The Tilery servers (TILERY_BACKEND; default: one inside this process)", 0},
    {"allow-origin", 'o', "ORIGIN", 0, "Let pages of this origin call, besides loopback ones; repeatable", 0},
    {"allow-host", OPT_HOST, "NAME", 0,
     "A name that the Host header may hold, besides localhost and IP addresses; repeatable (default: none, "
     "or any where there is --token-file)",
     0},
    {"max-connections", OPT_MAX_CONNECTIONS, "N", 0,
     "HTTP connections at once; further ones are answered 429 (default 4096)", 0},
    {"max-per-address", OPT_MAX_PER_ADDRESS, "N", 0,
     "Of one client's address, 0 for no limit (default: 256, and none on a loopback address)", 0},
    {"connection-timeout-s", OPT_TIMEOUT, "S", 0,
     "Close a connection on which no whole request comes for so long, or nobody reads the answer "
     "(default 30)",
     0},
    {"token-file", OPT_TOKEN_FILE, "FILE", 0,
     "Compute only for those who show the token in the file's first line; SIGHUP reads it again", 0},
    {"access-log", OPT_ACCESS_LOG, "FORMAT", 0,
     "A line on stderr for every HTTP request: logfmt (default), json or off", 0},
    {"reply-budget-mib", OPT_REPLY_BUDGET, "MIB", 0,
     "Memory of all large answers that are not read yet (default 512, or a quarter of the memory limit)", 0},
    {"log", OPT_LOG, "FORMAT", 0,
     "Without --backend, a line on stderr for every call of the server inside: off (default), logfmt or json",
     0},
    {"backend-tls-ca", OPT_TLS_CA, "FILE", 0, "For tls+tcp://: the CA that verifies the backend, PEM", 0},
    {"backend-tls-cert", OPT_TLS_CERT, "FILE", 0, "The bridge's own certificate, PEM", 0},
    {"backend-tls-key", OPT_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"backend-tls-server-name", OPT_TLS_NAME, "NAME", 0,
     "The DNS name in the backend's certificate (default: the URL's host)", 0},
    {"backend-token-file", OPT_BACKEND_TOKEN_FILE, "FILE", 0,
     "The token that the backend wants is the file's first line", 0},
    {"heartbeat-ms", OPT_HEARTBEAT, "MS", OPTION_HIDDEN, "Of streams; for tests", 0},
    {"lease-ms", OPT_LEASE, "MS", OPTION_HIDDEN, "Of streams; for tests", 0},
    {0},
};

static const char *const lists[] = {"allow-origin", "allow-host", NULL};

static void add_name(const struct argp_state *state, const char *option, const char **names, size_t *count,
                     const char *name)
{
    if (*count == MAX_NAMES)
        argp_error(state, "more than %d of --%s", MAX_NAMES, option);
    names[(*count)++] = name;
}

/* Where an option's text is kept as it is; NULL for any other key. */
static const char **text_of(struct settings *settings, int key)
{
    switch (key) {
    case 'l':
        return &settings->listen;
    case 'b':
        return &settings->backend.server;
    case OPT_TLS_CA:
        return &settings->backend.tls_ca;
    case OPT_TLS_CERT:
        return &settings->backend.tls_cert;
    case OPT_TLS_KEY:
        return &settings->backend.tls_key;
    case OPT_TLS_NAME:
        return &settings->backend.tls_server_name;
    case OPT_BACKEND_TOKEN_FILE:
        return &settings->backend.token_file;
    case OPT_TOKEN_FILE:
        return &settings->token_file;
    default:
        return NULL;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct settings *settings = state->input;
    const char **text = text_of(settings, key);

    if (text != NULL) {
        *text = arg;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        option_no_argument(state, arg);
        return 0;
    case 'o':
        if (!bridge_origin_is_valid(arg))
            argp_error(state,
                       "allow-origin is \"%s\"; it must be as browsers send it: SCHEME://HOST or "
                       "SCHEME://HOST:PORT, in lower case, without a path",
                       arg);
        add_name(state, "allow-origin", settings->origins, &settings->origin_count, arg);
        return 0;
    case OPT_HOST:
        add_name(state, "allow-host", settings->hosts, &settings->host_count, arg);
        return 0;
    case OPT_MAX_CONNECTIONS:
        settings->max_connections = option_number(state, "max-connections", arg, 1, 65536);
        return 0;
    case OPT_MAX_PER_ADDRESS:
        settings->max_per_address = option_number(state, "max-per-address", arg, 0, 65536);
        settings->per_address_given = true;
        return 0;
    case OPT_TIMEOUT:
        settings->connection_timeout_s = option_number(state, "connection-timeout-s", arg, 1, 3600);
        return 0;
    case OPT_ACCESS_LOG:
        if (!daemon_log_parse(arg, &settings->access_log))
            argp_error(state, "--access-log is \"%s\"; it must be logfmt, json or off", arg);
        return 0;
    case OPT_REPLY_BUDGET:
        settings->reply_budget_bytes = (uint64_t)option_number(state, "reply-budget-mib", arg, 1, 1048576)
                                       << 20;
        return 0;
    case OPT_HEARTBEAT:
        settings->heartbeat_ms = option_number(state, "heartbeat-ms", arg, 1, 600000);
        return 0;
    case OPT_LEASE:
        settings->lease_ms = option_number(state, "lease-ms", arg, 1, 600000);
        return 0;
    case OPT_LOG:
        if (!daemon_log_parse(arg, &settings->log))
            argp_error(state, "--log is \"%s\"; it must be off, logfmt or json", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int complain(const char *message, enum tilery_status status)
{
    fprintf(stderr, "tilery-bridge: %s\n", message);
    return status == TILERY_INVALID_ARGUMENT ? USAGE_EXIT : tilery_status_exit(status);
}

/* HTTP here has no TLS. */
static void warn(const struct bridge_options *options, const struct bridge *bridge)
{
    if (!wire_address_is_local(options->listen))
        fprintf(stderr, "tilery-bridge: warning: %s %s\n", bridge_url(bridge),
                options->token != NULL ? WARN_IN_CLEAR : "may be reached from other machines, by anybody");
}

static int serve(const struct bridge_options *options, const char *path, struct signals_start *start,
                 sigset_t *signals)
{
    struct bridge *bridge;
    struct tilery_error error;
    struct wire_error why;
    int signal;

    if (bridge_start(options, &bridge, &error) != TILERY_OK) {
        tilery_client_close(options->client);
        return complain(error.message, error.status);
    }
    signals_start_end(start);
    printf("listening on %s\n", bridge_url(bridge));
    warn_of_stdout("tilery-bridge");
    warn(options, bridge);
    notify(getenv(NOTIFY_SOCKET), NOTIFY_READY);
    while (sigwait(signals, &signal) == 0 && signal == SIGHUP)
        warn_of_reload("tilery-bridge", path, token_file_reload(options->token, &why), &why);
    notify(getenv(NOTIFY_SOCKET), NOTIFY_STOPPING);
    signals_leave_on_next(); /* SIGHUP stays blocked: it is not to cut short the end */
    fprintf(stderr, "tilery-bridge: %s: finishing the work in hand\n", strsignal(signal));
    bridge_drain(bridge, GRACE_MS);
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
        return complain(wire_error.message, (enum tilery_status)wire_error.status);
    }
    bridge = bridge_options(settings, &parts);
    if (client.server == NULL)
        client.server = INNER_URL;
    if (open_client(&client, &bridge.client, &error) != TILERY_OK)
        status = complain(error.message, error.status);
    else
        status = serve(&bridge, settings->token_file, start, signals);
    stop_parts(&parts);
    return status;
}

static const char doc[] = "The documented HTTP API of Tilery.\v"
                          "Every option can also be given in the environment: --listen as "
                          "TILERY_BRIDGE_LISTEN, --backend as TILERY_BACKEND, several --allow-origin as "
                          "TILERY_BRIDGE_ALLOW_ORIGIN with commas between.";

int main(int argc, char **argv)
{
    static const struct argp argp = {argp_options, parse, NULL, doc, NULL, NULL, NULL};
    struct settings settings = {.listen = DEFAULT_LISTEN,
                                .backend.server = getenv("TILERY_BACKEND"),
                                .backend.no_pauses = true, /* whoever asks decides whether to wait */
                                .access_log = DAEMON_LOG_LOGFMT,
                                .reply_budget_bytes = daemon_reply_budget(),
                                .max_connections = MAX_CONNECTIONS,
                                .connection_timeout_s = CONNECTION_TIMEOUT_S,
                                .heartbeat_ms = HEARTBEAT_MS,
                                .lease_ms = LEASE_MS};
    char **with_environment = environment_argv("TILERY_BRIDGE", argp_options, lists, &argc, argv);
    struct signals_start start;
    sigset_t signals;
    int status;

    descriptors_hold_standard();
    argp_err_exit_status = USAGE_EXIT;
    if (with_environment == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    option_parse(&argp, argc, with_environment, &settings);
    if (settings.backend.server != NULL && settings.backend.server[0] == '\0')
        settings.backend.server = NULL;
    signals_to_end(&signals);
    if (settings.token_file != NULL || getenv(NOTIFY_SOCKET) != NULL)
        sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signals_start_begin(&start);
    status = limit_connections(&settings)
                 ? run(&settings, &start, &signals)
                 : complain("64 descriptors are the least that it wants", TILERY_RESOURCE_EXHAUSTED);
    signals_start_end(&start);
    environment_free(with_environment);
    return status;
}
