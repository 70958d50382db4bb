/*
 * The same work under several schedules, kernels and numbers of threads. Each round makes one run of every
 * combination, so that what else the machine does meets all of them.
 */
#include "compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "calls.h"
#include "progress.h"

#define MAX_ROWS 1000u

/* ---- Combinations ---- */

/* What a list has, in one block of text; or the one text that stands for no list. */
struct list {
    char *text;
    const char *items[MAX_ROWS];
    size_t count;
};

static int split(struct list *list, const char *option, const char *text)
{
    char *rest = list->text = strdup(text);

    list->count = 0;
    while (rest != NULL && list->count < MAX_ROWS)
        list->items[list->count++] = strsep(&rest, ",");
    if (rest == NULL && list->text != NULL)
        return 0;
    return cli_refuse(option, text, "a list of at most 1000, commas between");
}

struct lists {
    struct list schedules, kernels, threads;
};

static int set(struct tilery_compute_request *request, const char *field, const char *value)
{
    struct tilery_error error;

    if (tilery_compute_request_set(request, field, value, &error) == TILERY_OK)
        return 0;
    return cli_refuse_message(error.message);
}

static int fill_row(const struct cli_options *options, const struct lists *lists, size_t i,
                    struct compare_row *row)
{
    size_t threads = lists->threads.count, kernels = lists->kernels.count;
    int status;

    row->request = options->request;
    if (!options->time_limited)
        row->request.time_limit_ms = BANDS_NO_TIME_LIMIT_MS;
    row->request.kernel = lists->kernels.items[i / threads % kernels];
    if (row->request.kernel[0] == '\0')
        return cli_refuse("--kernel", options->kernels, "names with commas between");
    row->walls_ns = calloc(options->runs, sizeof *row->walls_ns);
    row->imbalances = calloc(options->runs, sizeof *row->imbalances);
    if (row->walls_ns == NULL || row->imbalances == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    status = set(&row->request, "schedule", lists->schedules.items[i / threads / kernels]);
    return status != 0 ? status : set(&row->request, "num_threads", lists->threads.items[i % threads]);
}

static int fill_rows(const struct cli_options *options, struct lists *lists, struct comparison *comparison)
{
    int status;

    if ((status = split(&lists->schedules, "--schedule", options->schedules)) != 0 ||
        (status = split(&lists->kernels, "--kernel", options->kernels)) != 0 ||
        (status = split(&lists->threads, "--num-threads", options->threads)) != 0)
        return status;
    comparison->count = lists->schedules.count * lists->kernels.count * lists->threads.count;
    if (comparison->count > MAX_ROWS) {
        fprintf(stderr, "tilery: the lists make %zu combinations; at most %u are compared\n",
                comparison->count, MAX_ROWS);
        comparison->count = 0;
        return CLI_USAGE_EXIT;
    }
    comparison->rows = calloc(comparison->count, sizeof *comparison->rows);
    if (comparison->rows == NULL)
        return tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    for (size_t i = 0; status == 0 && i < comparison->count; i++)
        status = fill_row(options, lists, i, &comparison->rows[i]);
    return status;
}

static void choose_baseline(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++)
        if (comparison->rows[i].request.num_threads == 1) {
            comparison->baseline = i;
            return;
        }
}

/* ---- Runs ---- */

static int keep(const struct cli_options *options, struct compare_row *row, size_t run,
                const tilery_result *result, struct progress *progress)
{
    struct tilery_summary summary = tilery_result_summary(result);
    struct tilery_error error = {.status = TILERY_DEADLINE_EXCEEDED};

    if (summary.time_limited) {
        progress_end(progress);
        (void)snprintf(error.message, sizeof error.message,
                       "time_limit_ms is %" PRIu64 "; %" PRIu64 " of %" PRIu64
                       " tiles were left undone, which is no fair comparison",
                       row->request.time_limit_ms, summary.tiles_planned - summary.tiles_done,
                       summary.tiles_planned);
        return cli_fail(options, &error);
    }
    row->walls_ns[run] = summary.wall_ns;
    row->imbalances[run] = summary.imbalance;
    row->tiles = summary.tiles_done;
    row->threads = summary.threads;
    (void)snprintf(row->kernel, sizeof row->kernel, "%s", summary.kernel);
    return 0;
}

static int run_row(tilery_client *client, const struct cli_options *options, struct compare_row *row,
                   size_t run, struct progress *progress)
{
    struct tilery_error error;
    tilery_result *result;
    int status;

    if (call_compute(client, options, &row->request, &result, &error) != TILERY_OK) {
        progress_end(progress);
        return cli_fail(options, &error);
    }
    status = keep(options, row, run, result, progress);
    tilery_result_free(result);
    return status;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The first round warms up; the next one takes its places. Each round begins with another row. */
static int run_all(tilery_client *client, const struct cli_options *options, struct comparison *comparison)
{
    struct progress progress;
    int status = 0;

    progress_begin(&progress, options, "runs");
    for (size_t round = 0; status == 0 && round <= options->runs; round++)
        for (size_t i = 0; status == 0 && i < comparison->count; i++) {
            progress_show(&progress, round * comparison->count + i,
                          ((size_t)options->runs + 1) * comparison->count);
            status = run_row(client, options, &comparison->rows[(round + i) % comparison->count],
                             round != 0 ? round - 1 : 0, &progress);
        }
    progress_end(&progress);
    for (size_t i = 0; status == 0 && i < comparison->count; i++) {
        qsort(comparison->rows[i].walls_ns, options->runs, sizeof(uint64_t), by_size);
        qsort(comparison->rows[i].imbalances, options->runs, sizeof(double), by_value);
    }
    return status;
}

static void free_all(struct comparison *comparison, struct lists *lists)
{
    for (size_t i = 0; i < comparison->count && comparison->rows != NULL; i++) {
        free(comparison->rows[i].walls_ns);
        free(comparison->rows[i].imbalances);
    }
    free(comparison->rows);
    if (lists != NULL) {
        free(lists->schedules.text);
        free(lists->kernels.text);
        free(lists->threads.text);
    }
    free(lists);
}

/* ---- */

typedef void write_fn(const struct comparison *comparison, FILE *out);

static write_fn *find_format(const struct cli_options *options)
{
    static const struct {
        const char *name;
        write_fn *write;
    } formats[] = {{"table", compare_table}, {"csv", compare_csv}, {"json", compare_json}};

    if (options->format == NULL)
        return cli_is_for_terminal(options) ? compare_table : compare_json;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(options->format, formats[i].name) == 0)
            return formats[i].write;
    return NULL;
}

int cli_compare(tilery_client *client, const struct cli_options *options)
{
    struct comparison comparison = {.runs = options->runs};
    struct lists *lists = calloc(1, sizeof *lists);
    write_fn *write = find_format(options);
    struct cli_output output;
    int status;

    if (lists == NULL || write == NULL) {
        free(lists);
        return write == NULL ? cli_refuse("--format", options->format, "table, csv or json")
                             : tilery_status_exit(TILERY_RESOURCE_EXHAUSTED);
    }
    status = fill_rows(options, lists, &comparison);
    if (status == 0 && (status = cli_output_open(&output, options)) == 0) {
        choose_baseline(&comparison);
        status = run_all(client, options, &comparison);
        if (status == 0)
            write(&comparison, output.file);
        status = cli_output_close(&output, status);
    }
    free_all(&comparison, lists);
    return status;
}
