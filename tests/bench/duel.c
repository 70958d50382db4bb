#include "duel.h"

#include <stdio.h>

#define MOST_CLIENTS 64

/* What is told of a load, and by what name. */
enum { P50, P99, RATE, FIGURES };
static const char *const names[FIGURES] = {"p50_us", "p99_us", "calls_per_s"};

/* A value a run. */
struct figures {
    struct sample of[FIGURES];
};

static void measure(const struct load *load, unsigned clients, unsigned ms, struct figures *out,
                    double last[FIGURES])
{
    struct sample times = {.count = 0};

    last[RATE] = load_run(load, clients, ms, &times);
    last[P50] = sample_percentile(&times, 0.5);
    last[P99] = sample_percentile(&times, 0.99);
    sample_free(&times);
    for (unsigned i = 0; i < FIGURES; i++)
        sample_add(&out->of[i], last[i]);
}

/* The medians, as "p50_us" and so on. */
static json_t *medians(struct figures *figures)
{
    json_t *out = json_object();

    for (unsigned i = 0; i < FIGURES; i++)
        json_object_set_new(out, names[i], json_real(sample_percentile(&figures->of[i], 0.5)));
    return out;
}

static void report_side(const char *load, const char *side, struct figures *figures, json_t *out)
{
    json_t *row = medians(figures);

    printf("%-19s %-9s", load, side);
    for (unsigned i = 0; i < FIGURES; i++)
        printf(" %10.1f %20s", sample_percentile(&figures->of[i], 0.5), "");
    puts("");
    json_object_set_new(row, "load", json_string(load));
    json_object_set_new(row, "side", json_string(side));
    json_array_append_new(out, row);
}

static void report_ratios(const char *load, struct figures *ratios, json_t *out)
{
    json_t *row = json_object();

    printf("%-19s %-9s", "", "ratio");
    json_object_set_new(row, "load", json_string(load));
    for (unsigned i = 0; i < FIGURES; i++) {
        double median = sample_percentile(&ratios->of[i], 0.5);
        double least = sample_percentile(&ratios->of[i], 0), most = sample_percentile(&ratios->of[i], 1);

        printf(" %10.3f %7.3f .. %-9.3f", median, least, most);
        json_object_set_new(row, names[i], json_pack("[f, f, f]", median, least, most));
    }
    puts("");
    json_array_append_new(out, row);
}

static void free_figures(struct figures *figures)
{
    for (unsigned i = 0; i < FIGURES; i++)
        sample_free(&figures->of[i]);
}

static void duel_at(const struct load loads[2], unsigned clients, const char *where,
                    const struct settings *settings, json_t *out)
{
    struct figures sides[2] = {{.of = {{.count = 0}}}}, ratios = {.of = {{.count = 0}}};
    double last[2][FIGURES];
    char load[32];

    for (unsigned run = 0; run < settings->runs; run++) {
        for (unsigned i = 0; i < 2; i++) {
            unsigned side = (run + i) % 2; /* neither always first */

            measure(&loads[side], clients, settings->ms, &sides[side], last[side]);
        }
        for (unsigned i = 0; i < FIGURES; i++)
            sample_add(&ratios.of[i], last[0][i] / last[1][i]);
    }
    (void)snprintf(load, sizeof load, "%s, %u client%s", where, clients, clients > 1 ? "s" : "");
    for (unsigned side = 0; side < 2; side++) {
        report_side(load, loads[side].target->name, &sides[side], json_object_get(out, "calls"));
        free_figures(&sides[side]);
    }
    report_ratios(load, &ratios, json_object_get(out, "ratios"));
    free_figures(&ratios);
}

void duel(const struct target *first, const struct target *second, const char *where,
          const struct settings *settings, json_t *out)
{
    struct load loads[2];

    load_open(&loads[0], first, MOST_CLIENTS);
    load_open(&loads[1], second, MOST_CLIENTS);
    printf("%-29s %10s %7s    %-9s %10s %7s    %-9s %10s %7s    %-9s\n", "", "p50 us", "least", "most",
           "p99 us", "least", "most", "calls/s", "least", "most");
    for (unsigned clients = 1; clients <= MOST_CLIENTS; clients *= 4)
        duel_at(loads, clients, where, settings, out);
    load_close(&loads[0]);
    load_close(&loads[1]);
}

bool duel_write(const struct settings *settings, const json_t *out)
{
    static const struct chart chart = {
        .title = "Calls a second", .group = "load", .name = "side", .value = "calls_per_s", .unit = ""};

    return settings_write(settings, out, &chart, "calls");
}
