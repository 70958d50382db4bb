/*
 * What a call costs. Health/Check through libtilery against nng and nothing else; a streamed image against
 * the same run without its data; what a call uses, in hand-overs and processor time; and how soon one ends
 * that is cancelled. Over tcp, servers are processes of their own. bench_grpc compares the documented
 * request.
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
#include "ends.h"
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

/* ---- What a call uses ---- */

/* A thread that waits for another, or for the network, goes to sleep; so sleeps count hand-overs. */
static void measure_use(const char *what, const struct target *target, pid_t server, unsigned clients,
                        const struct settings *settings, json_t *out)
{
    const pid_t pids[2] = {getpid(), server};
    struct usage before[2], after[2];
    struct sample times = {.count = 0};
    double sleeps[2], cpu_us[2];
    struct load load;

    load_open(&load, target, clients);
    (void)load_run(&load, clients, 20, &times); /* connects */
    sample_free(&times);
    for (unsigned i = 0; i < 2; i++)
        before[i] = usage_of(pids[i]);
    (void)load_run(&load, clients, settings->ms, &times);
    for (unsigned i = 0; i < 2; i++) {
        after[i] = usage_of(pids[i]);
        sleeps[i] = (after[i].sleeps - before[i].sleeps) / (double)times.count;
        cpu_us[i] = (after[i].cpu_us - before[i].cpu_us) / (double)times.count;
    }
    printf("%-13s %8u %17.2f %8.2f %17.1f %8.1f\n", what, clients, sleeps[0], sleeps[1], cpu_us[0],
           cpu_us[1]);
    json_array_append_new(out, json_pack("{s:s, s:i, s:[f, f], s:[f, f]}", "call", what, "clients", clients,
                                         "sleeps", sleeps[0], sleeps[1], "cpu_us", cpu_us[0], cpu_us[1]));
    load_close(&load);
    sample_free(&times);
}

static json_t *bench_use(const struct child *tileryd, const struct child *echo,
                         const struct settings *settings)
{
    const struct target bare = echo_target(echo->url), health = called_health(tileryd->url),
                        compute = called_compute(tileryd->url);
    json_t *out = json_array();

    printf("\n%-13s %8s %17s %8s %17s %8s\n", "a call, tcp", "clients", "sleeps of: client", "server",
           "cpu us of: client", "server");
    for (unsigned clients = 1; clients <= 16; clients *= 16) {
        measure_use("nng alone", &bare, echo->pid, clients, settings, out);
        measure_use("Health/Check", &health, tileryd->pid, clients, settings, out);
        measure_use("Compute", &compute, tileryd->pid, clients, settings, out);
    }
    return out;
}

/* ---- Over tcp, and within the process ---- */

static void bench_tcp(const struct settings *settings, json_t *out, json_t *ends, json_t *streams)
{
    const char *const argv[] = {"/proc/self/exe", "--serve=echo", NULL};
    struct child tileryd, echo;
    struct target health, bare;

    called_start(&tileryd);
    child_start(&echo, argv);
    health = called_health(tileryd.url);
    bare = echo_target(echo.url);
    duel(&health, &bare, "tcp", settings, out);
    json_object_set_new(out, "use", bench_use(&tileryd, &echo, settings));
    ends_bench(&tileryd, settings, ends);
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
    json_t *out, *ends, *streams;
    bool written;

    settings_parse_calls(&settings, "Measures calls.", argc, argv);
    if (settings.serve != NULL && strncmp(settings.serve, ENDS_CALLER, strlen(ENDS_CALLER)) == 0)
        ends_serve_caller(settings.serve + strlen(ENDS_CALLER));
    if (settings.serve != NULL)
        serve_echo();
    printf("Health/Check through libtilery against an echo over nng %s: requests of %zu bytes, replies of "
           "%zu, %d contexts, %ld processors; medians of %u runs of %u ms\n",
           nng_version(), called_health_request_bytes(), called_health_reply_bytes(), CALLED_CONTEXTS,
           sysconf(_SC_NPROCESSORS_ONLN), settings.runs, settings.ms);
    out = json_pack("{s:[], s:[]}", "calls", "ratios");
    streams = json_array();
    ends = json_array();
    bench_tcp(&settings, out, ends, streams);
    bench_inproc(&settings, out, streams);
    json_object_set_new(out, "ends", ends);
    json_object_set_new(out, "streams", streams);
    written = duel_write(&settings, out);
    json_decref(out);
    return written ? 0 : 1;
}
