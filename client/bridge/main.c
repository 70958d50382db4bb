/* tilery-bridge: parse, start the server inside where no backend is named, serve HTTP, wait for a signal,
 * drain. */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "daemon/daemon.h"
#include "wire/address.h"
#include "wire/environment.h"
#include "wire/warn.h"

#define DEFAULT_LISTEN "127.0.0.1:8405"
#define INNER_URL "inproc://tilery-bridge"
#define USAGE_EXIT 64
#define MAX_NAMES 16
/* From one address, where others than this machine can reach the bridge. */
#define MAX_PER_ADDRESS 256
#define GRACE_MS 30000
#define WATCHDOG_S 20

__attribute__((visibility("default"))) const char *argp_program_version = "tilery-bridge " TILERY_VERSION;

struct settings {
    const char *listen;
    struct tilery_client_options backend; /* without a server: one inside this process */
    const char *origins[MAX_NAMES], *hosts[MAX_NAMES];
    size_t origin_count, host_count;
    uint64_t reply_budget_bytes;
    enum daemon_log log; /* of the server inside */
};

enum {
    OPT_HOST = 256,
    OPT_REPLY_BUDGET,
    OPT_LOG,
    OPT_TLS_CA,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TLS_NAME,
    OPT_TOKEN_FILE
};

static const struct argp_option options[] = {
    {"listen", 'l', "ADDR:PORT", 0, "Address to serve HTTP on (default " DEFAULT_LISTEN ")", 0},
    {"backend", 'b', "URL[,URL...]", 0,
     "The Tilery servers (TILERY_BACKEND; default: one inside this process)", 0},
    {"allow-origin", 'o', "ORIGIN", 0, "Let pages of this origin call, besides loopback ones; repeatable", 0},
    {"allow-host", OPT_HOST, "NAME", 0,
     "A name that the Host header may hold, besides loopback ones; repeatable (default: on a loopback "
     "address "
     "none, elsewhere any)",
     0},
    {"reply-budget-mib", OPT_REPLY_BUDGET, "MIB", 0,
     "Memory of all large answers that are not read yet (default 512)", 0},
    {"log", OPT_LOG, "FORMAT", 0,
     "Of the server inside, a line on stderr for every call: off (default), logfmt or json", 0},
    {"backend-tls-ca", OPT_TLS_CA, "FILE", 0, "For tls+tcp://: the CA that verifies the backend, PEM", 0},
    {"backend-tls-cert", OPT_TLS_CERT, "FILE", 0, "The bridge's own certificate, PEM", 0},
    {"backend-tls-key", OPT_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"backend-tls-server-name", OPT_TLS_NAME, "NAME", 0,
     "The DNS name in the backend's certificate (default: the URL's host)", 0},
    {"backend-token-file", OPT_TOKEN_FILE, "FILE", 0,
     "The token that the backend wants is the file's first line", 0},
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

static uint64_t number(const struct argp_state *state, const char *name, const char *text, unsigned long max)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < 1 || value > max)
        argp_error(state, "--%s is \"%s\"; it must be a whole number from 1 to %lu", name, text, max);
    return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct settings *settings = state->input;

    switch (key) {
    case 'l':
        settings->listen = arg;
        return 0;
    case 'b':
        settings->backend.server = arg;
        return 0;
    case OPT_TLS_CA:
        settings->backend.tls_ca = arg;
        return 0;
    case OPT_TLS_CERT:
        settings->backend.tls_cert = arg;
        return 0;
    case OPT_TLS_KEY:
        settings->backend.tls_key = arg;
        return 0;
    case OPT_TLS_NAME:
        settings->backend.tls_server_name = arg;
        return 0;
    case OPT_TOKEN_FILE:
        settings->backend.token_file = arg;
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
    case OPT_REPLY_BUDGET:
        settings->reply_budget_bytes = number(state, "reply-budget-mib", arg, 1048576) << 20;
        return 0;
    case OPT_LOG:
        if (!daemon_log_parse(arg, &settings->log))
            argp_error(state, "--log is \"%s\"; it must be off, logfmt or json", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void leave(int signal)
{
    _exit(128 + signal);
}

/* A second signal ends the process at once, and so does the watchdog, as closing nng's sockets can block for
 * ever. A handler, since the kernel spares process 1 the default action. */
static void leave_on(const sigset_t *signals)
{
    struct sigaction action = {.sa_handler = leave};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static int complain(const char *message, enum tilery_status status)
{
    fprintf(stderr, "tilery-bridge: %s\n", message);
    return status == TILERY_INVALID_ARGUMENT ? USAGE_EXIT : tilery_status_exit(status);
}

static int serve(const struct bridge_options *bridge_options, const sigset_t *signals)
{
    struct bridge *bridge;
    struct tilery_error error;
    int signal;

    if (bridge_start(bridge_options, &bridge, &error) != TILERY_OK) {
        tilery_client_close(bridge_options->client);
        return complain(error.message, error.status);
    }
    printf("listening on %s\n", bridge_url(bridge));
    fflush(stdout);
    if (!wire_address_is_local(bridge_options->listen))
        fprintf(stderr, "tilery-bridge: warning: %s may be reached from other machines, by anybody\n",
                bridge_url(bridge));
    (void)sigwait(signals, &signal);
    leave_on(signals);
    fprintf(stderr, "tilery-bridge: %s: finishing the work in hand\n", strsignal(signal));
    bridge_drain(bridge, GRACE_MS);
    alarm(WATCHDOG_S);
    tilery_client_close(bridge_options->client);
    bridge_free(bridge);
    return 0;
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

static int run(const struct settings *settings, const sigset_t *signals)
{
    bool local = wire_address_is_local(settings->listen);
    struct bridge_options bridge = {.listen = settings->listen,
                                    .allowed_origins = settings->origins,
                                    .allowed_count = settings->origin_count,
                                    .check_host = local || settings->host_count != 0,
                                    .allowed_hosts = settings->hosts,
                                    .host_count = settings->host_count,
                                    .reply_budget_bytes = settings->reply_budget_bytes,
                                    .max_per_address = local ? 0 : MAX_PER_ADDRESS};
    struct tilery_client_options client = settings->backend;
    struct daemon_options inner = DAEMON_DEFAULTS;
    const char *inner_url = INNER_URL;
    struct daemon *daemon = NULL;
    struct wire_error inner_error;
    struct tilery_error error;
    int status;

    if (client.server == NULL) {
        inner.listen = &inner_url;
        inner.listen_count = 1;
        inner.log = settings->log;
        client.server = inner_url;
        if (daemon_start(&inner, &daemon, &inner_error) != WIRE_OK)
            return complain(inner_error.message, (enum tilery_status)inner_error.status);
    }
    if (open_client(&client, &bridge.client, &error) != TILERY_OK)
        status = complain(error.message, error.status);
    else
        status = serve(&bridge, signals);
    daemon_stop(daemon);
    return status;
}

static const char doc[] = "The documented HTTP API of Tilery.\v"
                          "Every option can also be given in the environment: --listen as "
                          "TILERY_BRIDGE_LISTEN, --backend as TILERY_BACKEND, several --allow-origin as "
                          "TILERY_BRIDGE_ALLOW_ORIGIN with commas between.";

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    struct settings settings = {.listen = DEFAULT_LISTEN,
                                .reply_budget_bytes = UINT64_C(512) << 20,
                                .backend.server = getenv("TILERY_BACKEND")};
    char **with_environment = environment_argv("TILERY_BRIDGE", options, lists, &argc, argv);
    sigset_t signals;
    int status;

    argp_err_exit_status = USAGE_EXIT;
    if (with_environment == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    argp_parse(&argp, argc, with_environment, 0, NULL, &settings);
    if (settings.backend.server != NULL && settings.backend.server[0] == '\0')
        settings.backend.server = NULL;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    status = run(&settings, &signals);
    environment_free(with_environment);
    return status;
}
