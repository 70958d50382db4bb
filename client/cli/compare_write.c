/* What a comparison came to. */
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "compare.h"

static double middle(double below, double above)
{
    return (below + above) / 2;
}

double compare_median_ns(const struct comparison *comparison, const struct compare_row *row)
{
    return middle((double)row->walls_ns[(comparison->runs - 1) / 2],
                  (double)row->walls_ns[comparison->runs / 2]);
}

static double imbalance_of(const struct comparison *comparison, const struct compare_row *row)
{
    return middle(row->imbalances[(comparison->runs - 1) / 2], row->imbalances[comparison->runs / 2]);
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

double compare_speedup(const struct comparison *comparison, const struct compare_row *row)
{
    return ratio(compare_median_ns(comparison, &comparison->rows[comparison->baseline]),
                 compare_median_ns(comparison, row));
}

double compare_efficiency(const struct comparison *comparison, const struct compare_row *row)
{
    const struct compare_row *fewest = row;

    for (size_t i = comparison->count; i-- > 0;)
        if (strcmp(comparison->rows[i].kernel, row->kernel) == 0 &&
            comparison->rows[i].request.num_threads <= fewest->request.num_threads)
            fewest = &comparison->rows[i];
    return ratio(compare_median_ns(comparison, fewest) * (double)fewest->request.num_threads,
                 compare_median_ns(comparison, row) * (double)row->request.num_threads);
}

static double tiles_a_second(const struct comparison *comparison, const struct compare_row *row)
{
    return ratio((double)row->tiles * 1e9, compare_median_ns(comparison, row));
}

/* ---- For people ---- */

static void put_row(const struct comparison *comparison, const struct compare_row *row, FILE *out)
{
    char spread[64], threads[48];

    (void)snprintf(spread, sizeof spread, "%.3f..%.3f", (double)row->walls_ns[0] / 1e6,
                   (double)row->walls_ns[comparison->runs - 1] / 1e6);
    if (row->threads < row->request.num_threads)
        (void)snprintf(threads, sizeof threads, "%zu/%" PRIu64, row->threads, row->request.num_threads);
    else
        (void)snprintf(threads, sizeof threads, "%zu", row->threads);
    fprintf(out, "%-8s %-6s %7s %8.3f %18s %7.2f %9.1f%% %9.3f\n",
            tilery_schedule_name(row->request.schedule), row->kernel, threads,
            compare_median_ns(comparison, row) / 1e6, spread, compare_speedup(comparison, row),
            100 * compare_efficiency(comparison, row), imbalance_of(comparison, row));
}

static bool uses_fewer(const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++)
        if (comparison->rows[i].threads < comparison->rows[i].request.num_threads)
            return true;
    return false;
}

/* No wider than a terminal of 80 columns. */
void compare_table(const struct comparison *comparison, FILE *out)
{
    const struct compare_row *base = &comparison->rows[comparison->baseline];
    const struct tilery_compute_request *request = &base->request;

    fprintf(out, "%-8s %-6s %7s %8s %18s %7s %10s %9s\n", "schedule", "kernel", "threads", "wall ms",
            "least..most", "speedup", "efficiency", "imbalance");
    for (size_t i = 0; i < comparison->count; i++)
        put_row(comparison, &comparison->rows[i], out);
    fprintf(out,
            "\n%" PRIu64 " x %" PRIu64 " pixels in tiles of %" PRIu64 " x %" PRIu64 ", %" PRIu64
            " iterations;\nmedians of %u run%s of each, taken in turn\n"
            "speedup: against %s, %s, %" PRIu64
            " thread%s\nefficiency: against the fewest threads of the same kernel\n",
            request->width, request->height, request->tile_w, request->tile_h, request->max_iter,
            comparison->runs, comparison->runs == 1 ? "" : "s", tilery_schedule_name(request->schedule),
            base->kernel, request->num_threads, request->num_threads == 1 ? "" : "s");
    if (uses_fewer(comparison))
        fputs("threads: how many the schedule uses, of how many were asked for\n", out);
}

/* ---- For programs ---- */

void compare_csv(const struct comparison *comparison, FILE *out)
{
    fputs("schedule,kernel,num_threads,threads_used,runs,wall_ns_median,wall_ns_least,wall_ns_most,speedup,"
          "efficiency,imbalance,tiles_per_s\n",
          out);
    for (size_t i = 0; i < comparison->count; i++) {
        const struct compare_row *row = &comparison->rows[i];

        fprintf(out, "%s,%s,%" PRIu64 ",%zu,%u,%.0f,%" PRIu64 ",%" PRIu64 ",%.6g,%.6g,%.6g,%.6g\n",
                tilery_schedule_name(row->request.schedule), row->kernel, row->request.num_threads,
                row->threads, comparison->runs, compare_median_ns(comparison, row), row->walls_ns[0],
                row->walls_ns[comparison->runs - 1], compare_speedup(comparison, row),
                compare_efficiency(comparison, row), imbalance_of(comparison, row),
                tiles_a_second(comparison, row));
    }
}

static json_t *row_json(const struct comparison *comparison, const struct compare_row *row)
{
    json_t *walls = json_array();

    for (unsigned i = 0; i < comparison->runs; i++)
        json_array_append_new(walls, json_integer((json_int_t)row->walls_ns[i]));
    return json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:o,s:f,s:f,s:f,s:f}", "schedule", tilery_schedule_name(row->request.schedule),
        "kernel", row->kernel, "num_threads", (json_int_t)row->request.num_threads, "threads_used",
        (json_int_t)row->threads, "wall_ns_median", (json_int_t)compare_median_ns(comparison, row), "wall_ns",
        walls, "speedup", compare_speedup(comparison, row), "efficiency", compare_efficiency(comparison, row),
        "imbalance", imbalance_of(comparison, row), "tiles_per_s", tiles_a_second(comparison, row));
}

void compare_json(const struct comparison *comparison, FILE *out)
{
    const struct tilery_compute_request *request = &comparison->rows[0].request;
    json_t *rows = json_array(), *all;

    for (size_t i = 0; i < comparison->count; i++)
        json_array_append_new(rows, row_json(comparison, &comparison->rows[i]));
    all = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "width", (json_int_t)request->width, "height",
                    (json_int_t)request->height, "tile_w", (json_int_t)request->tile_w, "tile_h",
                    (json_int_t)request->tile_h, "max_iter", (json_int_t)request->max_iter, "runs",
                    (json_int_t)comparison->runs, "baseline", (json_int_t)comparison->baseline, "rows", rows);
    if (json_dumpf(all, out, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0)
        putc('\n', out);
    json_decref(all);
}
