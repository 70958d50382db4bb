/* What the servers say of themselves, each under its own label. */
#include <string.h>

#include "exposition.h"
#include "metrics.h"

#define STATUSES 17u /* gRPC's codes */

/* Of struct tilery_stats, and each a uint64_t. */
static const struct number {
    const char *name, *type, *help;
    size_t offset;
} numbers[] = {
#define GAUGE(field, help)                                                           \
    {                                                                                \
        "tilery_server_" #field, "gauge", help, offsetof(struct tilery_stats, field) \
    }
#define COUNTER(name, field, help)                                                            \
    {                                                                                         \
        "tilery_server_" name "_total", "counter", help, offsetof(struct tilery_stats, field) \
    }
    GAUGE(connections, "Connections now."),
    GAUGE(calls, "Calls in hand now: waiting, at work or being answered."),
    GAUGE(runs_running, "Runs at work now."),
    GAUGE(runs_queued, "Runs that wait for threads now."),
    GAUGE(threads_computing, "Threads that compute now."),
    GAUGE(threads_held, "Threads that the runs at work hold now."),
    GAUGE(threads_limit, "Threads of all runs side by side."),
    GAUGE(cpus, "CPUs that its threads may use; 0 where it does not say."),
    GAUGE(streams, "Streams that are open now."),
    GAUGE(window_bytes, "Bytes that the open streams' windows may take."),
    COUNTER("tiles", tiles, "Tiles of the runs that have ended."),
    COUNTER("pixels", pixels, "Pixels of the runs that have ended."),
    COUNTER("iterations", iterations, "Escape counts of the runs that have ended, summed up."),
    COUNTER("records", records, "Records of the computations that came to their end."),
    COUNTER("received_bytes", bytes_received, "Of requests."),
    COUNTER("sent_bytes", bytes_sent, "Of replies."),
    COUNTER("expired_calls", dropped_expired, "Calls whose time was up before anything was computed."),
    COUNTER("cancelled_runs", cancelled, "Runs ended by a cancel, for want of a caller or by a lease."),
};

/* Histograms of struct tilery_method_stats. */
static const struct number times[] = {
#define TIMES(name, field, help)                                                                         \
    {                                                                                                    \
        "tilery_server_" name "_seconds", "histogram", help, offsetof(struct tilery_method_stats, field) \
    }
    TIMES("call_duration", total, "From a call's arrival until its reply was packed."),
    TIMES("run_wait", queue, "How long runs waited for threads."),
    TIMES("run_duration", run, "How long runs worked."),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* NULL where it gave none, or the same address was given before: a series may be there but once. */
static const struct tilery_server_stats *server_at(const tilery_stats_list *list, size_t i)
{
    const struct tilery_server_stats *server = tilery_stats_list_at(list, i);

    for (size_t k = 0; k < i; k++)
        if (strcmp(tilery_stats_list_at(list, k)->server, server->server) == 0)
            return NULL;
    return server;
}

static const struct tilery_stats *stats_at(const tilery_stats_list *list, size_t i)
{
    const struct tilery_server_stats *server = server_at(list, i);

    return server != NULL ? server->stats : NULL;
}

static void write_up(FILE *out, const tilery_stats_list *list)
{
    exposition_family(out, "tilery_server_up", "gauge", "Whether the server said what follows.");
    for (size_t i = 0; i < tilery_stats_list_count(list); i++) {
        const struct tilery_server_stats *server = server_at(list, i);

        if (server != NULL)
            exposition_sample(out, "tilery_server_up",
                              (const struct exposition_label[]){{"server", server->server}, {NULL, NULL}},
                              server->stats != NULL);
    }
}

/* How a server's numbers are written: under the label of its address. */
typedef void write_fn(FILE *out, const struct number *number, const char *server,
                      const struct tilery_stats *stats);

static void write_each(FILE *out, const tilery_stats_list *list, const struct number *number, write_fn *write)
{
    exposition_family(out, number->name, number->type, number->help);
    for (size_t i = 0; i < tilery_stats_list_count(list); i++)
        if (stats_at(list, i) != NULL)
            write(out, number, tilery_stats_list_at(list, i)->server, stats_at(list, i));
}

static void write_number(FILE *out, const struct number *number, const char *server,
                         const struct tilery_stats *stats)
{
    const struct exposition_label labels[] = {{"server", server}, {NULL, NULL}};
    uint64_t value;

    memcpy(&value, (const char *)stats + number->offset, sizeof value);
    exposition_sample(out, number->name, labels, value);
}

static void write_draining(FILE *out, const struct number *number, const char *server,
                           const struct tilery_stats *stats)
{
    const struct exposition_label labels[] = {{"server", server}, {NULL, NULL}};

    exposition_sample(out, number->name, labels, stats->draining);
}

static void write_uptime(FILE *out, const struct number *number, const char *server,
                         const struct tilery_stats *stats)
{
    const struct exposition_label labels[] = {{"server", server}, {NULL, NULL}};

    exposition_seconds(out, number->name, labels, stats->uptime_ns);
}

/* Codes of a newer server than this are UNKNOWN, all in one. */
static void write_codes(FILE *out, const struct number *number, const char *server,
                        const struct tilery_stats *stats)
{
    for (size_t i = 0; i < stats->method_count; i++) {
        const struct tilery_method_stats *method = &stats->methods[i];
        uint64_t counts[STATUSES] = {0};

        for (size_t k = 0; k < method->code_count; k++) {
            unsigned code = (unsigned)method->codes[k].code;

            counts[code < STATUSES ? code : TILERY_UNKNOWN] += method->codes[k].count;
        }
        for (unsigned code = 0; code < STATUSES; code++)
            if (counts[code] != 0)
                exposition_sample(
                    out, number->name,
                    (const struct exposition_label[]){{"server", server},
                                                      {"method", method->method},
                                                      {"code", tilery_status_name((enum tilery_status)code)},
                                                      {NULL, NULL}},
                    counts[code]);
    }
}

/* Of methods that were called, and of those that run something: the rest is a hundred lines of zeros. */
static void write_times(FILE *out, const struct number *number, const char *server,
                        const struct tilery_stats *stats)
{
    for (size_t i = 0; i < stats->method_count; i++) {
        const struct tilery_method_stats *method = &stats->methods[i];
        const struct exposition_label labels[] = {
            {"server", server}, {"method", method->method}, {NULL, NULL}};
        struct tilery_histogram histogram;

        memcpy(&histogram, (const char *)method + number->offset, sizeof histogram);
        if (histogram.count != 0)
            exposition_histogram(out, number->name, labels,
                                 &(struct exposition_histogram){.bounds_ns = stats->bounds_ns,
                                                                .counts = histogram.counts,
                                                                .bounds = stats->bound_count,
                                                                .sum_ns = histogram.sum_ns});
    }
}

void metrics_write_servers(FILE *out, const tilery_stats_list *list)
{
    static const struct number draining = {"tilery_server_draining", "gauge",
                                           "Whether the server is shutting down.", 0};
    static const struct number uptime = {"tilery_server_uptime_seconds", "gauge", "Since the server started.",
                                         0};
    static const struct number calls = {"tilery_server_calls_total", "counter",
                                        "Calls that have ended, by method and code.", 0};

    write_up(out, list);
    write_each(out, list, &draining, write_draining);
    write_each(out, list, &uptime, write_uptime);
    for (size_t i = 0; i < COUNT(numbers); i++)
        write_each(out, list, &numbers[i], write_number);
    write_each(out, list, &calls, write_codes);
    for (size_t i = 0; i < COUNT(times); i++)
        write_each(out, list, &times[i], write_times);
}
