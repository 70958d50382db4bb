/*
 * The documented request over HTTP: through the bridge, with the server behind it and with the server inside
 * it, against libtilery called directly and against libmicrohttpd alone, which answers as much at once. Then
 * an overload: more requests than the server takes, and how soon those that it does not take are told; and
 * how soon threads are free whose clients have left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>
#include <nng/nng.h>

#include "bare.h"
#include "called.h"
#include "child.h"
#include "duel.h"
#include "ends.h"
#include "settings.h"
#include "wrk.h"

#define PATH        \
    "/api/compute/" \
    "concurrent?width=96&height=96&tile_w=32&tile_h=32&max_iter=128&time_limit_ms=500&num_threads=2"
#define LONG_PATH "/api/compute/concurrent?kernel=scalar&num_threads=2"
#define MOST_CLIENTS 64u

enum { P50, P99, RATE, FIGURES };
enum { LIBTILERY, BARE, BRIDGE, INSIDE, SIDES };

static const char *const names[FIGURES] = {"p50_us", "p99_us", "calls_per_s"};
static const char *const sides[SIDES] = {"libtilery", "bare", "bridge", "inside"};

struct servers {
    struct child tileryd, bridge, inside, bare;
    struct load direct;                   /* libtilery's clients */
    char urls[SIDES][sizeof(PATH) + 160]; /* of those that speak HTTP */
};

static void start_bridge(struct child *child, const char *backend)
{
    const char *const argv[] = {TILERY_BRIDGE, "--access-log",
                                "off",         "--listen",
                                "127.0.0.1:0", backend != NULL ? "--backend" : NULL,
                                backend,       NULL};

    child_start(child, argv);
}

/* The bare server answers with as many bytes as the bridge. */
static void start_bare(struct child *child, const char *like)
{
    char serve[64];
    const char *const argv[] = {"/proc/self/exe", serve, NULL};
    double bytes;

    wrk_run(WRK_SIZE, like, 1, 1, &bytes);
    (void)snprintf(serve, sizeof serve, "--serve=%.0f", bytes);
    child_start(child, argv);
}

static void start(struct servers *servers, struct target *direct)
{
    called_start(&servers->tileryd);
    start_bridge(&servers->bridge, servers->tileryd.url);
    start_bridge(&servers->inside, NULL);
    (void)snprintf(servers->urls[BRIDGE], sizeof servers->urls[0], "%s" PATH, servers->bridge.url);
    (void)snprintf(servers->urls[INSIDE], sizeof servers->urls[0], "%s" PATH, servers->inside.url);
    start_bare(&servers->bare, servers->urls[BRIDGE]);
    (void)snprintf(servers->urls[BARE], sizeof servers->urls[0], "%s" PATH, servers->bare.url);
    *direct = called_compute(servers->tileryd.url);
    load_open(&servers->direct, direct, MOST_CLIENTS);
}

static void stop(struct servers *servers)
{
    load_close(&servers->direct);
    child_stop(&servers->bare);
    child_stop(&servers->inside);
    child_stop(&servers->bridge);
    child_stop(&servers->tileryd);
}

static void measure(const struct servers *servers, unsigned side, unsigned clients, unsigned ms,
                    double figures[FIGURES])
{
    struct sample times = {.count = 0};

    if (side != LIBTILERY) {
        wrk_run(WRK_TIMES, servers->urls[side], clients, ms, figures);
        return;
    }
    figures[RATE] = load_run(&servers->direct, clients, ms, &times);
    figures[P50] = sample_percentile(&times, 0.5);
    figures[P99] = sample_percentile(&times, 0.99);
    sample_free(&times);
}

/* Medians of the figures, and the p50 above libtilery's in the same run: median, least and most. */
static void report(const char *load, const char *side, struct sample of[FIGURES], struct sample *above,
                   json_t *out)
{
    double median = sample_percentile(above, 0.5), least = sample_percentile(above, 0),
           most = sample_percentile(above, 1);
    json_t *row =
        json_pack("{s:s, s:s, s:[f, f, f]}", "load", load, "side", side, "above_us", median, least, most);

    printf("%-15s %-10s", load, side);
    for (unsigned i = 0; i < FIGURES; i++) {
        double value = sample_percentile(&of[i], 0.5);

        printf(" %10.1f", value);
        json_object_set_new(row, names[i], json_real(value));
        sample_free(&of[i]);
    }
    printf(" %10.1f %8.1f .. %.1f\n", median, least, most);
    json_array_append_new(out, row);
    sample_free(above);
}

/* All sides in turn, run after run, and none always first. */
static void compare(const struct servers *servers, unsigned clients, const struct settings *settings,
                    json_t *out)
{
    struct sample of[SIDES][FIGURES] = {{{.count = 0}}}, above[SIDES] = {{.count = 0}};
    double last[SIDES][FIGURES];
    char load[32];

    for (unsigned run = 0; run < settings->runs; run++) {
        for (unsigned i = 0; i < SIDES; i++) {
            unsigned side = (run + i) % SIDES;

            measure(servers, side, clients, settings->ms, last[side]);
        }
        for (unsigned side = 0; side < SIDES; side++) {
            for (unsigned i = 0; i < FIGURES; i++)
                sample_add(&of[side][i], last[side][i]);
            sample_add(&above[side], last[side][P50] - last[LIBTILERY][P50]);
        }
    }
    (void)snprintf(load, sizeof load, "%u connection%s", clients, clients > 1 ? "s" : "");
    for (unsigned side = 0; side < SIDES; side++)
        report(load, sides[side], of[side], &above[side], out);
}

/* ---- Overload ---- */

static void report_answers(const char *load, struct sample of[2 * FIGURES], json_t *out)
{
    static const char *const answers[] = {"200", "429"};

    for (unsigned answer = 0; answer < 2; answer++) {
        json_t *row = json_pack("{s:s, s:s}", "load", load, "answer", answers[answer]);

        printf("%-15s %-10s", load, answers[answer]);
        for (unsigned i = 0; i < FIGURES; i++) {
            double value = sample_percentile(&of[answer * FIGURES + i], 0.5);

            printf(" %10.1f", value);
            json_object_set_new(row, names[i], json_real(value));
            sample_free(&of[answer * FIGURES + i]);
        }
        puts("");
        json_array_append_new(out, row);
    }
}

/* Who is refused asks again at once, or after a pause. */
static void overload(const struct settings *settings, json_t *out)
{
    const char *const small[] = {TILERYD,       "--listen", "tcp://127.0.0.1:0", "--log", "off",
                                 "--max-queue", "4",        "--max-threads",     "4",     NULL};
    struct sample at_once[2 * FIGURES] = {{.count = 0}}, paused[2 * FIGURES] = {{.count = 0}};
    struct child tileryd, bridge;
    char url[sizeof(LONG_PATH) + 160];

    child_start(&tileryd, small);
    start_bridge(&bridge, tileryd.url);
    (void)snprintf(url, sizeof url, "%s" LONG_PATH, bridge.url);
    for (unsigned run = 0; run < settings->runs; run++) {
        double last[2 * FIGURES];

        wrk_run(WRK_PARTED, url, MOST_CLIENTS, settings->ms, last);
        for (unsigned i = 0; i < 2 * FIGURES; i++)
            sample_add(&at_once[i], last[i]);
        wrk_run(WRK_PAUSED, url, MOST_CLIENTS, settings->ms, last);
        for (unsigned i = 0; i < 2 * FIGURES; i++)
            sample_add(&paused[i], last[i]);
    }
    child_stop(&bridge);
    child_stop(&tileryd);
    report_answers("at once", at_once, out);
    report_answers("after 10 ms", paused, out);
}

/* ---- Leaving ---- */

static void leave(const struct settings *settings, json_t *out)
{
    char threads[16];
    const char *const argv[] = {TILERYD, "--listen", "tcp://127.0.0.1:0", "--log", "off", "--max-threads",
                                threads, NULL};
    struct child tileryd, bridge;

    (void)snprintf(threads, sizeof threads, "%u", ENDS_THREADS);
    child_start(&tileryd, argv);
    start_bridge(&bridge, tileryd.url);
    ends_bench_bridge(&tileryd, &bridge, settings, out);
    child_stop(&bridge);
    child_stop(&tileryd);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct servers servers;
    struct target direct;
    json_t *out;
    bool written;

    settings_parse_calls(&settings, "Measures the documented request over HTTP, with wrk.", argc, argv);
    if (settings.serve != NULL)
        bare_serve((unsigned)strtoul(settings.serve, NULL, 10));
    start(&servers, &direct);
    printf("96 x 96 in 32 x 32 tiles, max_iter 128, two threads: libtilery and the bridge over tcp to one "
           "tileryd, the bridge with its server inside, and libmicrohttpd %s alone; nng %s; %ld processors; "
           "medians of %u runs of %u ms, by wrk in whole seconds\n",
           MHD_get_version(), nng_version(), sysconf(_SC_NPROCESSORS_ONLN), settings.runs, settings.ms);
    printf("%-26s %10s %10s %10s %10s %8s    %s\n", "", "p50 us", "p99 us", "calls/s", "p50 above", "least",
           "most");
    out = json_pack("{s:[], s:[], s:[]}", "calls", "overload", "ends");
    for (unsigned clients = 1; clients <= MOST_CLIENTS; clients *= clients == 1 ? 16 : 4)
        compare(&servers, clients, &settings, json_object_get(out, "calls"));
    stop(&servers);
    printf(
        "64 connections, 800 x 600 with kernel scalar, two threads each, at a tileryd of four with a queue "
        "of four; who is refused asks again at once, or after 10 ms:\n");
    overload(&settings, json_object_get(out, "overload"));
    leave(&settings, json_object_get(out, "ends"));
    written = duel_write(&settings, out);
    json_decref(out);
    return written ? 0 : 1;
}
