/* tileryd: parse, block signals, start, say so, wait for a signal, drain, stop. */
#include <argp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/log.h"
#include "wire/descriptors.h"
#include "wire/environment.h"
#include "wire/notify.h"
#include "wire/option.h"
#include "wire/signals.h"
#include "wire/warn.h"

#define DEFAULT_LISTEN "tcp://127.0.0.1:5570"
#define USAGE_EXIT 64
#define MAX_LISTEN 16

__attribute__((visibility("default"))) const char *argp_program_version = "tileryd " TILERY_VERSION;

enum {
    OPT_MAX_THREADS = 256,
    OPT_MAX_QUEUE,
    OPT_MAX_CONNECTIONS,
    OPT_MAX_TIMEOUT,
    OPT_SEND_TIMEOUT,
    OPT_REPLY_BUDGET,
    OPT_GRACE,
    OPT_LOG,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TLS_CA,
    OPT_TOKEN_FILE
};

struct settings {
    struct daemon_options daemon;
    const char *listen[MAX_LISTEN];
    uint32_t grace_ms;
};

static const struct argp_option options[] = {
    {"listen", 'l', "URL", 0, "Address to serve on, repeatable (default " DEFAULT_LISTEN ")", 0},
    {"max-threads", OPT_MAX_THREADS, "N", 0,
     "Threads of all runs side by side (default: 8 a CPU, at least 32; under a CPU quota 8 a CPU of that)",
     0},
    {"max-queue", OPT_MAX_QUEUE, "N", 0, "Requests that may wait for threads (default 128)", 0},
    {"max-connections", OPT_MAX_CONNECTIONS, "N", 0, "Connections at once (default 1024)", 0},
    {"max-timeout-ms", OPT_MAX_TIMEOUT, "MS", 0, "Longest time a request may take (default 660000)", 0},
    {"send-timeout-ms", OPT_SEND_TIMEOUT, "MS", 0,
     "Disconnect a client that reads nothing of its replies so long (default 5000)", 0},
    {"reply-budget-mib", OPT_REPLY_BUDGET, "MIB", 0,
     "Memory of all large replies that are not read yet, and as much for all streams' windows "
     "(default 512, or a quarter of the memory limit)",
     0},
    {"grace-ms", OPT_GRACE, "MS", 0, "On SIGTERM, time for the work in hand (default 30000)", 0},
    {"log", OPT_LOG, "FORMAT", 0, "A line on stderr for every call: logfmt (default), json or off", 0},
    {"tls-cert", OPT_TLS_CERT, "FILE", 0, "Certificate for tls+tcp:// addresses, and its chain, PEM", 0},
    {"tls-key", OPT_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"tls-ca", OPT_TLS_CA, "FILE", 0, "Take only TLS clients whose certificate this CA verifies, PEM", 0},
    {"token-file", OPT_TOKEN_FILE, "FILE", 0,
     "Take only requests with the token in the file's first line, or second, if any; SIGHUP reads it again",
     0},
    {0},
};

static const char *const lists[] = {"listen", NULL};

static void add_listen(const struct argp_state *state, struct settings *settings, const char *url)
{
    if (settings->daemon.listen_count == MAX_LISTEN)
        argp_error(state, "more than %d addresses to listen on", MAX_LISTEN);
    settings->listen[settings->daemon.listen_count++] = url;
}

/* Where an option's text is kept as it is; NULL for any other key. */
static const char **text_of(struct daemon_options *daemon, int key)
{
    switch (key) {
    case OPT_TLS_CERT:
        return &daemon->tls.cert;
    case OPT_TLS_KEY:
        return &daemon->tls.key;
    case OPT_TLS_CA:
        return &daemon->tls.ca;
    case OPT_TOKEN_FILE:
        return &daemon->token_file;
    default:
        return NULL;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct settings *settings = state->input;
    struct daemon_options *daemon = &settings->daemon;
    const char **text = text_of(daemon, key);

    if (text != NULL) {
        *text = arg;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        option_no_argument(state, arg);
        return 0;
    case 'l':
        add_listen(state, settings, arg);
        return 0;
    case OPT_MAX_THREADS:
        daemon->max_threads = option_number(state, "max-threads", arg, 1, 1024);
        return 0;
    case OPT_MAX_QUEUE:
        daemon->max_queue = option_number(state, "max-queue", arg, 0, 1024);
        return 0;
    case OPT_MAX_CONNECTIONS:
        daemon->max_connections = option_number(state, "max-connections", arg, 1, 65536);
        return 0;
    case OPT_MAX_TIMEOUT:
        daemon->max_timeout_ms = option_number(state, "max-timeout-ms", arg, 1, 86400000);
        return 0;
    case OPT_SEND_TIMEOUT:
        daemon->send_timeout_ms = option_number(state, "send-timeout-ms", arg, 1, 600000);
        return 0;
    case OPT_REPLY_BUDGET:
        daemon->reply_budget_bytes = (uint64_t)option_number(state, "reply-budget-mib", arg, 1, 1048576)
                                     << 20;
        return 0;
    case OPT_GRACE:
        settings->grace_ms = option_number(state, "grace-ms", arg, 0, 3600000);
        return 0;
    case OPT_LOG:
        if (!daemon_log_parse(arg, &daemon->log))
            argp_error(state, "--log is \"%s\"; it must be logfmt, json or off", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool is_tcp(const char *url)
{
    return strncasecmp(url, "tcp", 3) == 0 || strncasecmp(url, "tls+tcp", 7) == 0;
}

static void announce(const struct daemon *daemon, const struct daemon_options *given)
{
    size_t count = given->listen_count;

    for (int tcp = 1; tcp >= 0; tcp--)
        for (size_t i = 0; i < count; i++)
            if (is_tcp(daemon_url(daemon, i)) == tcp)
                printf("listening on %s\n", daemon_url(daemon, i));
    warn_of_stdout("tileryd");
    for (size_t i = 0; i < count; i++)
        if (daemon_url_risk(daemon, i) != NULL)
            warn_say("tileryd", "warning: %s %s", daemon_url(daemon, i), daemon_url_risk(daemon, i));
    warn_of_file("tileryd", given->tls.key);
    warn_of_certificate("tileryd", given->tls.cert);
    warn_of_file("tileryd", given->token_file);
}

/* The signal to end. */
static int serve(struct daemon *daemon, const struct daemon_options *given, const sigset_t *signals,
                 bool reloads)
{
    struct wire_error error;
    size_t tokens;
    int signal;

    notify(getenv(NOTIFY_SOCKET), NOTIFY_READY);
    while ((signal = signals_wait(signals)) == SIGHUP && reloads) {
        const char *failure = daemon_reload(daemon, &tokens, &error) != WIRE_OK ? error.message : NULL;

        warn_of_reload("tileryd", options, "", given->token_file, tokens, failure);
    }
    notify(getenv(NOTIFY_SOCKET), NOTIFY_STOPPING);
    return signal;
}

static const char doc[] = "The Tilery server: tiled computation on real threads.\v"
                          "Every option can also be given in the environment: --max-queue as "
                          "TILERYD_MAX_QUEUE, several --listen as TILERYD_LISTEN with commas between.";

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    struct settings settings = {.daemon = DAEMON_DEFAULTS, .grace_ms = 30000};
    char **with_environment = environment_argv("TILERYD", options, lists, &argc, argv);
    struct daemon *daemon;
    struct signals_start start;
    struct wire_error error;
    enum wire_status status;
    char room[512];
    sigset_t signals;
    bool reloads;
    int signal;

    settings.daemon.log = DAEMON_LOG_LOGFMT;
    descriptors_hold_standard();
    argp_err_exit_status = USAGE_EXIT;
    if (with_environment == NULL)
        return wire_status_exit(WIRE_RESOURCE_EXHAUSTED);
    option_parse(&argp, argc, with_environment, &settings);
    if (settings.daemon.listen_count == 0)
        settings.listen[settings.daemon.listen_count++] = DEFAULT_LISTEN;
    settings.daemon.listen = settings.listen;
    if (settings.daemon.log == DAEMON_LOG_JSON)
        warn_with(log_say_json);
    reloads = settings.daemon.token_file != NULL || getenv(NOTIFY_SOCKET) != NULL;
    signals_to_end(&signals);
    signals_add_hangup(&signals, reloads);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)descriptors_allow("tileryd", settings.daemon.max_connections);
    signals_start_begin(&start);
    status = daemon_start(&settings.daemon, &daemon, &error);
    signals_start_end(&start);
    if (status != WIRE_OK) {
        warn_say("tileryd", "error: %s", option_message(options, "", error.message, room, sizeof room));
        environment_free(with_environment);
        return status == WIRE_INVALID_ARGUMENT ? USAGE_EXIT : wire_status_exit(status);
    }
    announce(daemon, &settings.daemon);
    signal = serve(daemon, &settings.daemon, &signals, reloads);
    signals_leave_on_next(); /* SIGHUP stays blocked: it is not to cut short the end */
    warn_say("tileryd", "%s: finishing the work in hand", strsignal(signal));
    daemon_drain(daemon, settings.grace_ms);
    signals_start_watchdog();
    daemon_stop(daemon);
    environment_free(with_environment);
    return 0;
}
