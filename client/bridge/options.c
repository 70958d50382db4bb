/* The bridge's options. */
#include "options.h"

#include <string.h>

#include "bridge.h"
#include "wire/option.h"

#define USAGE_EXIT 64

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
    OPT_BACKEND_TIMEOUT,
    OPT_TOKEN_FILE,
    OPT_GRACE,
    OPT_HEARTBEAT,
    OPT_LEASE
};

const struct argp_option bridge_argp_options[] = {
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
     "Compute only for those who show the token in the file's first line, or second, if any; SIGHUP reads it "
     "again",
     0},
    {"grace-ms", OPT_GRACE, "MS", 0, "On SIGTERM, time for the work in hand (default 30000)", 0},
    {"access-log", OPT_ACCESS_LOG, "FORMAT", 0,
     "A line on stderr for every HTTP request: logfmt (default), json or off", 0},
    {"reply-budget-mib", OPT_REPLY_BUDGET, "MIB", 0,
     "Memory of all large answers that are not read yet (default 512, or a quarter of the memory limit); one "
     "alone may take more, so that whatever is within the limits of a request is answered",
     0},
    {"log", OPT_LOG, "FORMAT", 0,
     "Without --backend, a line on stderr for every call of the server inside: off (default), logfmt or json",
     0},
    {"backend-tls-ca", OPT_TLS_CA, "FILE", 0, "For tls+tcp://: the CA that verifies the backend, PEM", 0},
    {"backend-tls-cert", OPT_TLS_CERT, "FILE", 0, "The bridge's own certificate, PEM", 0},
    {"backend-tls-key", OPT_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"backend-tls-server-name", OPT_TLS_NAME, "NAME", 0,
     "The DNS name in the backend's certificate (default: the URL's host)", 0},
    {"backend-token-file", OPT_BACKEND_TOKEN_FILE, "FILE", 0,
     "The token that the backend wants is the file's first line; SIGHUP reads it again", 0},
    {"backend-timeout-s", OPT_BACKEND_TIMEOUT, "S", 0,
     "Answer 504 where a server takes so much longer than a request's time limit, or does not take a stream "
     "within it (default 60)",
     0},
    {"heartbeat-ms", OPT_HEARTBEAT, "MS", OPTION_HIDDEN, "Of streams; for tests", 0},
    {"lease-ms", OPT_LEASE, "MS", OPTION_HIDDEN, "Of streams; for tests", 0},
    {0},
};

const char *const bridge_argp_lists[] = {"allow-origin", "allow-host", NULL};

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

static void add_host(const struct argp_state *state, struct settings *settings, const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");

    if (len == 0 || name[len] != '\0')
        argp_error(state, "--allow-host is \"%s\"; it must be a host's name, without scheme and port", name);
    add_name(state, "allow-host", settings->hosts, &settings->host_count, name);
}

static error_t read_option(const struct argp_state *state, struct settings *settings, int key, char *arg)
{
    const char **text = text_of(settings, key);

    if (text != NULL) {
        *text = arg;
        return 0;
    }
    switch (key) {
    case 'o':
        if (!bridge_origin_is_valid(arg))
            argp_error(state,
                       "--allow-origin is \"%s\"; it must be as browsers send it: SCHEME://HOST or "
                       "SCHEME://HOST:PORT, in lower case, without a path",
                       arg);
        add_name(state, "allow-origin", settings->origins, &settings->origin_count, arg);
        return 0;
    case OPT_HOST:
        add_host(state, settings, arg);
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
    case OPT_BACKEND_TIMEOUT:
        settings->backend_timeout_ms =
            option_number(state, "backend-timeout-s", arg, 1, 3600) * UINT64_C(1000);
        return 0;
    case OPT_GRACE:
        settings->grace_ms = option_number(state, "grace-ms", arg, 0, 3600000);
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

struct reading {
    struct settings *settings;
    int from_environment; /* so many options are still to come that are the environment's */
    bool log_given;       /* on the command line */
};

/* What is of the one kind of backend says nothing of the other. */
static void check_together(const struct argp_state *state, const struct reading *reading)
{
    struct settings *settings = reading->settings;
    const struct tilery_client_options *backend = &settings->backend;

    if (backend->server != NULL && backend->server[0] == '\0')
        settings->backend.server = NULL;
    if (backend->server != NULL && reading->log_given)
        argp_error(state, "--log is of the server inside, and there is none with --backend %s",
                   backend->server);
    if (backend->server == NULL && (backend->tls_ca != NULL || backend->tls_cert != NULL ||
                                    backend->tls_key != NULL || backend->tls_server_name != NULL))
        argp_error(state, "the options --backend-tls-... are of --backend, which is not given");
    if (backend->server == NULL && backend->token_file != NULL)
        argp_error(state, "--backend-token-file is of --backend, which is not given");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct reading *reading = state->input;

    if (key == ARGP_KEY_ARG)
        option_no_argument(state, arg);
    if (key == ARGP_KEY_END)
        check_together(state, reading);
    if (key <= 0 || key > OPT_LEASE)
        return ARGP_ERR_UNKNOWN;
    if (reading->from_environment > 0)
        reading->from_environment--;
    else
        reading->log_given |= key == OPT_LOG;
    return read_option(state, reading->settings, key, arg);
}

static const char doc[] = "The documented HTTP API of Tilery.\v"
                          "Every option can also be given in the environment: --listen as "
                          "TILERY_BRIDGE_LISTEN, --backend as TILERY_BACKEND, several --allow-origin as "
                          "TILERY_BRIDGE_ALLOW_ORIGIN with commas between.";

void options_parse(int argc, char **argv, int from_environment, struct settings *settings)
{
    static const struct argp argp = {bridge_argp_options, parse, NULL, doc, NULL, NULL, NULL};
    struct reading reading = {.settings = settings, .from_environment = from_environment};

    argp_err_exit_status = USAGE_EXIT;
    option_parse(&argp, argc, argv, &reading);
}
