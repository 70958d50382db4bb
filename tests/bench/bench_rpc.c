/*
 * What a call costs. Health/Check through libtilery against nng and nothing else; a streamed image against
 * the same run without its data; and how often a call makes a thread wait for another. Over tcp, servers are
 * processes of their own. bench_grpc compares the documented request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>

#include "called.h"
#include "child.h"
#include "daemon/daemon.h"
#include "duel.h"
#include "echo.h"
#include "settings.h"
#include "stream.h"

static struct target echo_target(const char *url)
{
    return (struct target){.name = "nng",
                           .url = url,
                           .request_bytes = called_health_request_bytes(),
                           .reply_bytes = called_health_reply_bytes(),
                           .open = echo_open,
                           .call = echo_call,
                           .close = echo_close};
}

static struct echo *start_echo(const char *url, char *bound)
{
    struct echo *echo = echo_start(url, CALLED_CONTEXTS, called_health_reply_bytes(), bound);

    if (echo == NULL) {
        fprintf(stderr, "cannot listen on %s\n", url);
        exit(1);
    }
    return echo;
}

static _Noreturn void serve_echo(void)
{
    char bound[128];

    (void)start_echo("tcp://127.0.0.1:0", bound);
    child_serve(bound);
}

/* ---- Hand-overs ---- */

#define COUNTED_CALLS 2000

/* A thread that waits for another, or for the network, goes to sleep; so sleeps count hand-overs. */
static void count_sleeps(const char *what, const struct target *target, pid_t server, json_t *out)
{
    struct sample times = {.count = 0};
    struct child_threads before[2], after[2];
    double sleeps[2];
    struct load load;

    load_open(&load, target, 1);
    (void)load_run(&load, 1, 20, &times); /* warms up */
    before[0] = child_threads(getpid());
    before[1] = child_threads(server);
    for (unsigned i = 0; i < COUNTED_CALLS; i++)
        if (!target->call(load.clients[0]))
            exit(1);
    after[0] = child_threads(getpid());
    after[1] = child_threads(server);
    for (unsigned i = 0; i < 2; i++)
        sleeps[i] = (double)(after[i].sleeps - before[i].sleeps) / COUNTED_CALLS;
    printf("%-15s client %5.2f, server %5.2f (%lu threads)\n", what, sleeps[0], sleeps[1], after[1].count);
    json_array_append_new(
        out, json_pack("{s:s, s:f, s:f}", "call", what, "client", sleeps[0], "server", sleeps[1]));
    load_close(&load);
    sample_free(&times);
}

static json_t *hand_overs(const struct child *tileryd, const struct child *echo)
{
    const struct target bare = echo_target(echo->url), health = called_health(tileryd->url),
                        compute = called_compute(tileryd->url);
    json_t *out = json_array();

    puts("\nhow often a thread goes to sleep, a call of one client over tcp");
    count_sleeps("nng alone", &bare, echo->pid, out);
    count_sleeps("Health/Check", &health, tileryd->pid, out);
    count_sleeps("Compute", &compute, tileryd->pid, out);
    return out;
}

/* ---- Over tcp, and within the process ---- */

static void bench_tcp(const struct settings *settings, json_t *out, json_t *streams)
{
    const char *const argv[] = {"/proc/self/exe", "--serve=echo", NULL};
    struct child tileryd, echo;
    struct target health, bare;

    called_start(&tileryd);
    child_start(&echo, argv);
    health = called_health(tileryd.url);
    bare = echo_target(echo.url);
    duel(&health, &bare, "tcp", settings, out);
    json_object_set_new(out, "hand_overs", hand_overs(&tileryd, &echo));
    puts("\na 4096 x 4096 image, 1000, two threads, streamed");
    stream_bench(tileryd.url, "tcp", settings, streams);
    child_stop(&echo);
    child_stop(&tileryd);
}

static struct daemon *start_daemon(const char *url)
{
    struct daemon_options options = DAEMON_DEFAULTS;
    struct wire_error error;
    struct daemon *daemon;

    options.listen = &url;
    options.listen_count = 1;
    if (daemon_start(&options, &daemon, &error) == WIRE_OK)
        return daemon;
    fprintf(stderr, "%s\n", error.message);
    exit(1);
}

static void bench_inproc(const struct settings *settings, json_t *out, json_t *streams)
{
    struct daemon *daemon = start_daemon("inproc://tilery-bench");
    struct target health = called_health("inproc://tilery-bench"), bare;
    struct echo *echo;
    char bound[128];

    stream_bench("inproc://tilery-bench", "inproc", settings, streams);
    if (settings->inproc) {
        echo = start_echo("inproc://tilery-echo", bound);
        bare = echo_target(bound);
        puts("");
        duel(&health, &bare, "inproc", settings, out);
        echo_stop(echo);
    }
    daemon_stop(daemon);
}

int main(int argc, char **argv)
{
    struct settings settings;
    json_t *out, *streams;
    bool written;

    settings_parse(&settings, "Measures calls.", argc, argv);
    if (settings.serve != NULL)
        serve_echo();
    printf("Health/Check through libtilery against an echo over nng %s: requests of %zu bytes, replies of "
           "%zu, %d contexts, %ld processors; medians of %u runs of %u ms\n",
           nng_version(), called_health_request_bytes(), called_health_reply_bytes(), CALLED_CONTEXTS,
           sysconf(_SC_NPROCESSORS_ONLN), settings.runs, settings.ms);
    out = json_pack("{s:[], s:[]}", "calls", "ratios");
    streams = json_array();
    bench_tcp(&settings, out, streams);
    bench_inproc(&settings, out, streams);
    json_object_set_new(out, "streams", streams);
    written = settings_write(&settings, out);
    json_decref(out);
    return written ? 0 : 1;
}
