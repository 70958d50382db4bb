/* tilery: the command line of a Tilery server. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "terminal.h"
#include "wire/descriptors.h"
#include "wire/environment.h"
#include "wire/warn.h"

__attribute__((visibility("default"))) const char *argp_program_version = "tilery " TILERY_VERSION;

/* Opens the client; the exit status where that fails. */
static int open_client(const struct cli_options *cli, tilery_client **out)
{
    struct tilery_error error;
    enum tilery_status status;

    if (!cli->quiet) {
        warn_of_file("tilery", cli->client.token_file);
        warn_of_file("tilery", cli->client.tls_key);
        warn_of_certificate("tilery", cli->client.tls_cert);
        if (cli->client.token_file != NULL)
            warn_of_token("tilery", cli->client.server);
    }
    status = tilery_client_open(&cli->client, out, &error);
    if (status == TILERY_OK)
        return 0;
    return status == TILERY_INVALID_ARGUMENT ? cli_refuse_message(error.message) : cli_fail(cli, &error);
}

/* A line, written at once, as several calls may end together. */
static void say_attempt(void *arg, const struct tilery_attempt *attempt)
{
    char line[512], then[64] = "";

    (void)arg;
    if (attempt->again)
        (void)snprintf(then, sizeof then, ", again in %" PRIu64 " ms", attempt->pause_ms);
    if (attempt->number == 0)
        (void)snprintf(line, sizeof line, "tilery: %s at no server: %s\n", attempt->method,
                       tilery_status_name(attempt->status));
    else
        (void)snprintf(line, sizeof line, "tilery: %s attempt %u at %s: %s after %.3f ms%s\n",
                       attempt->method, attempt->number, attempt->server, tilery_status_name(attempt->status),
                       (double)attempt->ns / 1e6, then);
    fputs(line, stderr);
}

static int run_command(const struct command *command, const struct cli_options *cli)
{
    tilery_client *client;
    int status;

    if (cli_is_http(cli->client.server))
        return command->run == cli_health
                   ? cli_health_http(cli)
                   : cli_refuse(
                         "--server", cli->client.server,
                         "a server's, as tcp://127.0.0.1:5570: of a bridge the health alone can be asked");
    status = open_client(cli, &client);

    if (status != 0)
        return status;
    status = command->run(client, cli);
    tilery_client_close(client);
    return status;
}

/* ---- Signals: the first one that ends the program lets it cancel what it has under way; the next one, or a
 * few seconds, end it at once ---- */

#define GRACE_S 3u

/* What the handlers change, on any thread. */
static atomic_int ended;
static int told_signals = -1;

static void on_told(int number)
{
    const unsigned char byte = (unsigned char)number;
    int before = errno;

    (void)!write(told_signals, &byte, 1);
    errno = before;
}

static void on_end(int number)
{
    if (ended != 0) {
        terminal_give_back();
        _exit(128 + (number == SIGALRM ? ended : number));
    }
    ended = number;
    alarm(GRACE_S);
    on_told(number);
}

/* As the shell, or nohup, wants it: what is ignored stays so. */
static void take_signal(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, before;

    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        (void)sigaction(number, &action, NULL);
}

/* What waits for an answer, or for a reader, is not to begin again after a signal that ends it. */
static void take_signals(struct cli_options *cli)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    cli->signals = ends[0];
    told_signals = ends[1];
    take_signal(SIGINT, on_end, 0);
    take_signal(SIGTERM, on_end, 0);
    take_signal(SIGHUP, on_end, 0);
    take_signal(SIGALRM, on_end, 0);
    if (cli->watch) {
        take_signal(SIGTSTP, on_told, SA_RESTART);
        take_signal(SIGCONT, on_told, SA_RESTART);
        take_signal(SIGWINCH, on_told, SA_RESTART);
    }
}

static void prepare(const struct command *command, struct cli_options *cli)
{
    (void)signal(SIGPIPE, SIG_IGN); /* writing fails, and what is under way is cancelled */
    if (cli->verbose)
        cli->client.on_attempt = say_attempt;
    if ((command->set & FOR_WORK) != 0)
        take_signals(cli);
    if (command->set == FOR_BENCH) {
        cli->client.max_attempts = 1; /* what is refused is to be seen */
        if (cli->clients == 0)
            cli->clients = cli->rate != 0 ? 1024 : 16;
    }
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? value : "";
}

/* By the first of the three that is set, as in POSIX. */
static bool is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = "";

    for (size_t i = 0; i < sizeof names / sizeof *names && *locale == '\0'; i++)
        locale = variable(names[i]);
    return strcasestr(locale, "utf-8") != NULL || strcasestr(locale, "utf8") != NULL;
}

int main(int argc, char **argv)
{
    static const char *const no_lists[] = {NULL};
    struct cli_options cli = {.client.server = DEFAULT_SERVER,
                              .output = "-",
                              .schedules = "static",
                              .kernels = "auto",
                              .threads = "4",
                              .runs = 5,
                              .duration_ms = 10000,
                              .warm_up_ms = 1000,
                              .terminal = {.no_color = *variable("NO_COLOR") != '\0',
                                           .term = variable("TERM"),
                                           .colorterm = variable("COLORTERM"),
                                           .utf8 = is_utf8()},
                              .signals = -1,
                              .ended = &ended};
    const struct command *command;
    int count = argc, status;
    char **with_environment = environment_argv("TILERY", cli_argp_options, no_lists, &count, argv);

    descriptors_hold_standard();
    if (with_environment == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    command = options_parse(count, with_environment, count - argc, &cli);
    prepare(command, &cli);
    status = run_command(command, &cli);
    environment_free(with_environment);
    return status;
}
