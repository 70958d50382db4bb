#include "service/stats.h"

#include <stdlib.h>

#include "engine/clock.h"

struct stats *stats_create(size_t methods)
{
    struct stats *stats = calloc(1, sizeof *stats + (methods + 1) * sizeof *stats->by_method);

    if (stats != NULL)
        stats->methods = methods;
    return stats;
}

static void add(atomic_uint_least64_t *counter, uint64_t count)
{
    atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

void stats_count_call(struct stats *stats, const struct rpc_ended *ended)
{
    struct method_stats *method = &stats->by_method[ended->method];

    add(&method->codes[ended->status], 1);
    histogram_add(&method->total, ended->total_ns);
    add(&stats->bytes_received, ended->request_bytes);
    add(&stats->bytes_sent, ended->reply_bytes);
    if (ended->status == WIRE_DEADLINE_EXCEEDED && ended->request->has_timeout &&
        ended->request->timeout_ms == 0)
        add(&stats->dropped_expired, 1);
}

void stats_count_job(struct stats *stats, size_t method, const struct job *job, enum wire_status why)
{
    struct method_stats *mine = &stats->by_method[method];
    struct run_summary summary = run_summary(job->run);
    uint64_t now = clock_now_ns();

    if (why == WIRE_CANCELLED)
        add(&stats->cancelled, 1);
    histogram_add(&mine->queue, (job->started_ns != 0 ? job->started_ns : now) - job->submitted_ns);
    if (job->started_ns == 0) {
        add(&stats->dropped_expired, why == WIRE_DEADLINE_EXCEEDED);
        return;
    }
    histogram_add(&mine->run, now - job->started_ns);
    add(&stats->tiles, summary.tiles_done);
    add(&stats->pixels, summary.pixels);
    add(&stats->iterations, summary.iterations);
    if (!job->stream && why == WIRE_OK)
        add(&stats->records, summary.tiles_done);
}
