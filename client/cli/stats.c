/* Statistics: a table for a terminal, and "name value" lines for a program. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

static const struct {
    const char *name;
    size_t offset; /* of a uint64_t in struct tilery_stats */
} numbers[] = {
    {"uptime_ns", offsetof(struct tilery_stats, uptime_ns)},
    {"connections", offsetof(struct tilery_stats, connections)},
    {"calls", offsetof(struct tilery_stats, calls)},
    {"runs_running", offsetof(struct tilery_stats, runs_running)},
    {"runs_queued", offsetof(struct tilery_stats, runs_queued)},
    {"threads_computing", offsetof(struct tilery_stats, threads_computing)},
    {"threads_held", offsetof(struct tilery_stats, threads_held)},
    {"threads_limit", offsetof(struct tilery_stats, threads_limit)},
    {"cpus", offsetof(struct tilery_stats, cpus)},
    {"streams", offsetof(struct tilery_stats, streams)},
    {"window_bytes", offsetof(struct tilery_stats, window_bytes)},
    {"tiles", offsetof(struct tilery_stats, tiles)},
    {"pixels", offsetof(struct tilery_stats, pixels)},
    {"iterations", offsetof(struct tilery_stats, iterations)},
    {"records", offsetof(struct tilery_stats, records)},
    {"bytes_received", offsetof(struct tilery_stats, bytes_received)},
    {"bytes_sent", offsetof(struct tilery_stats, bytes_sent)},
    {"dropped_expired", offsetof(struct tilery_stats, dropped_expired)},
    {"cancelled", offsetof(struct tilery_stats, cancelled)},
};

#define AFTER_UPTIME 1u

static const struct {
    const char *name;
    size_t offset; /* in struct tilery_method_stats */
} histograms[] = {
    {"total", offsetof(struct tilery_method_stats, total)},
    {"queue", offsetof(struct tilery_method_stats, queue)},
    {"run", offsetof(struct tilery_method_stats, run)},
};

static const struct {
    const char *name;
    unsigned percent;
} quantiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"max", 100}};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const struct tilery_histogram *histogram_of(const struct tilery_method_stats *method, size_t i)
{
    return (const struct tilery_histogram *)(const void *)((const char *)method + histograms[i].offset);
}

/* The bound of the bucket in which so many percent of the times have been met; UINT64_MAX above every bound.
 */
static uint64_t quantile_ns(const struct tilery_stats *stats, const struct tilery_histogram *histogram,
                            unsigned percent)
{
    double wanted = (double)histogram->count * percent / 100;
    uint64_t met = 0;

    for (size_t i = 0; i < stats->bound_count; i++) {
        met += histogram->counts[i];
        if ((double)met >= wanted)
            return stats->bounds_ns[i];
    }
    return UINT64_MAX;
}

/* From the first of the numbers on. */
static void print_numbers(const struct tilery_stats *stats, const char *format, size_t first)
{
    for (size_t i = first; i < LENGTH(numbers); i++)
        printf(format, numbers[i].name,
               *(const uint64_t *)(const void *)((const char *)stats + numbers[i].offset));
    printf(format, "draining", (uint64_t)stats->draining);
}

/* ---- Lines ---- */

static void print_line_quantiles(const struct tilery_stats *stats, const struct tilery_method_stats *method,
                                 size_t i)
{
    const struct tilery_histogram *histogram = histogram_of(method, i);

    for (size_t q = 0; q < LENGTH(quantiles); q++) {
        uint64_t ns = quantile_ns(stats, histogram, quantiles[q].percent);

        printf("%s.%s_ns.%s ", method->method, histograms[i].name, quantiles[q].name);
        if (ns == UINT64_MAX)
            puts("inf");
        else
            printf("%" PRIu64 "\n", ns);
    }
    printf("%s.%s_ns.count %" PRIu64 "\n", method->method, histograms[i].name, histogram->count);
    printf("%s.%s_ns.sum %" PRIu64 "\n", method->method, histograms[i].name, histogram->sum_ns);
}

static void print_lines(const struct tilery_stats *stats)
{
    print_numbers(stats, "%s %" PRIu64 "\n", 0);
    for (size_t m = 0; m < stats->method_count; m++) {
        const struct tilery_method_stats *method = &stats->methods[m];

        for (size_t i = 0; i < method->code_count; i++)
            printf("%s.calls.%s %" PRIu64 "\n", method->method, tilery_status_name(method->codes[i].code),
                   method->codes[i].count);
        for (size_t i = 0; i < LENGTH(histograms); i++)
            if (histogram_of(method, i)->count != 0)
                print_line_quantiles(stats, method, i);
    }
}

/* ---- The table ---- */

static void print_time(uint64_t ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
    size_t u = 0;

    while (u + 1 < LENGTH(units) && ns < units[u].ns)
        u++;
    if (ns == UINT64_MAX)
        printf("%10s", "more");
    else
        printf("%7" PRIu64 " %-2s", ns / units[u].ns, units[u].unit);
}

static void print_times(const struct tilery_stats *stats, const struct tilery_method_stats *method, size_t i)
{
    const struct tilery_histogram *histogram = histogram_of(method, i);

    if (histogram->count == 0)
        return;
    printf("  %-34s%8" PRIu64, histograms[i].name, histogram->count);
    for (size_t q = 0; q < LENGTH(quantiles); q++)
        print_time(quantile_ns(stats, histogram, quantiles[q].percent));
    putchar('\n');
}

static void print_method(const struct tilery_stats *stats, const struct tilery_method_stats *method)
{
    if (method->code_count == 0)
        return;
    printf("%s\n", method->method);
    for (size_t i = 0; i < method->code_count; i++)
        printf("  %-34s%8" PRIu64 "\n", tilery_status_name(method->codes[i].code), method->codes[i].count);
    for (size_t i = 0; i < LENGTH(histograms); i++)
        print_times(stats, method, i);
}

static void print_table(const struct tilery_stats *stats)
{
    printf("%-18s%.3f s\n", "uptime", (double)stats->uptime_ns / 1e9);
    print_numbers(stats, "%-18s%" PRIu64 "\n", AFTER_UPTIME);
    printf("\n%-36s%8s", "method, its codes, its times up to", "calls");
    for (size_t q = 0; q < LENGTH(quantiles); q++)
        printf("%10s", quantiles[q].name);
    putchar('\n');
    for (size_t m = 0; m < stats->method_count; m++)
        print_method(stats, &stats->methods[m]);
}

int cli_stats(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;
    struct tilery_stats *stats;

    if (tilery_stats(client, &options->call, &stats, &error) != TILERY_OK)
        return cli_fail(options, &error);
    if (isatty(STDOUT_FILENO))
        print_table(stats);
    else
        print_lines(stats);
    tilery_stats_free(stats);
    return cli_flush_output(options);
}
