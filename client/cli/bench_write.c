/* What a load came to, for people and for programs. */
#include <inttypes.h>

#include <jansson.h>

#include "bench.h"

static const struct {
    const char *name, *key;
    double percent;
} percentiles[] = {{"p50", "p50", 50},
                   {"p90", "p90", 90},
                   {"p99", "p99", 99},
                   {"p99.9", "p99_9", 99.9},
                   {"max", "max", 100}};

#define PERCENTILES (sizeof percentiles / sizeof *percentiles)

static double throughput(const struct bench_report *report)
{
    return report->ns != 0 ? (double)report->answered * 1e9 / (double)report->ns : 0;
}

void bench_table(const struct cli_options *options, const struct bench_report *report, FILE *out)
{
    fprintf(out, "%-12s%" PRIu64 " in %.3f s, %.1f a second", "answered", report->answered,
            (double)report->ns / 1e9, throughput(report));
    if (options->rate != 0)
        fprintf(out, "\n%-12s%u a second, at most %u in flight\n", "wanted", options->rate, options->clients);
    else
        fprintf(out, "; %u client%s\n", options->clients, options->clients == 1 ? "" : "s");
    for (unsigned code = 0; code < BENCH_CODES; code++)
        if (report->errors[code] != 0)
            fprintf(out, "%-12s%" PRIu64 " %s\n", "failed", report->errors[code],
                    tilery_status_name((enum tilery_status)code));
    if (report->unanswered != 0)
        fprintf(out, "%-12s%" PRIu64 ", counted with the time they had waited\n", "unanswered",
                report->unanswered);
    if (report->unsent != 0)
        fprintf(out, "%-12s%" PRIu64 ", held up, counted with the time they had waited\n", "unsent",
                report->unsent);
    fprintf(out, "\n%-12s", "");
    for (size_t i = 0; i < PERCENTILES; i++)
        fprintf(out, "%12s", percentiles[i].name);
    fprintf(out, "\n%-12s", "latency ms");
    for (size_t i = 0; i < PERCENTILES; i++)
        fprintf(out, "%12.3f", (double)hdr_percentile(&report->latency_ns, percentiles[i].percent) / 1e6);
    putc('\n', out);
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

void bench_json(const struct cli_options *options, const struct bench_report *report, FILE *out)
{
    json_t *all = json_object(), *latency = json_object(), *errors = json_object();

    for (size_t i = 0; i < PERCENTILES; i++)
        json_object_set_new(latency, percentiles[i].key,
                            number(hdr_percentile(&report->latency_ns, percentiles[i].percent)));
    for (unsigned code = 0; code < BENCH_CODES; code++)
        if (report->errors[code] != 0)
            json_object_set_new(errors, tilery_status_name((enum tilery_status)code),
                                number(report->errors[code]));
    json_object_set_new(all, "clients", number(options->clients));
    json_object_set_new(all, "rate", options->rate != 0 ? number(options->rate) : json_null());
    json_object_set_new(all, "duration_ns", number(report->ns));
    json_object_set_new(all, "interrupted", json_boolean(report->signal != 0));
    json_object_set_new(all, "answered", number(report->answered));
    json_object_set_new(all, "per_second", json_real(throughput(report)));
    json_object_set_new(all, "latency_ns", latency);
    json_object_set_new(all, "errors", errors);
    json_object_set_new(all, "unanswered", number(report->unanswered));
    json_object_set_new(all, "unsent", number(report->unsent));
    if (json_dumpf(all, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0)
        putc('\n', out);
    json_decref(all);
}
