/* Server/Stats and Server/Describe: what a server says of its work and of its schema. */
#include <stdio.h>

#include "engine/clock.h"
#include "service/internal.h"
#include "service/stats.h"
#include "service/streams.h"

#include "server.pb-c.h"

#define NAME_BYTES 96

static const uint8_t schema[] = {
#include "schema.inc"
};

/* One method's statistics and all that they point to. */
struct method_message {
    Tilery__V1__MethodStats message;
    Tilery__V1__CodeCount codes[STATS_CODES], *code_pointers[STATS_CODES];
    Tilery__V1__Histogram total, queue, run;
    uint64_t total_counts[HISTOGRAM_BUCKETS], queue_counts[HISTOGRAM_BUCKETS], run_counts[HISTOGRAM_BUCKETS];
    char name[NAME_BYTES];
};

static uint64_t value_of(const atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void name_method(size_t method, char name[NAME_BYTES])
{
    const struct rpc_service *table;
    size_t count;

    table = service_table(&count);
    for (size_t i = 0; i < count; i++) {
        const ProtobufCServiceDescriptor *service = table[i].descriptor;

        if (method < service->n_methods) {
            (void)snprintf(name, NAME_BYTES, "%s/%s", service->name, service->methods[method].name);
            return;
        }
        method -= service->n_methods;
    }
    (void)snprintf(name, NAME_BYTES, "unknown");
}

static Tilery__V1__Histogram *read_histogram(const struct histogram *from, uint64_t counts[HISTOGRAM_BUCKETS],
                                             Tilery__V1__Histogram *out)
{
    tilery__v1__histogram__init(out);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        counts[i] = value_of(&from->counts[i]);
    out->counts = counts;
    out->n_counts = HISTOGRAM_BUCKETS;
    out->has_sum_ns = 1;
    out->sum_ns = value_of(&from->sum_ns);
    return out;
}

static void read_codes(const struct method_stats *from, struct method_message *out)
{
    for (unsigned code = 0; code < STATS_CODES; code++) {
        uint64_t count = value_of(&from->codes[code]);
        Tilery__V1__CodeCount *to = &out->codes[out->message.n_codes];

        if (count == 0)
            continue;
        tilery__v1__code_count__init(to);
        to->has_code = to->has_count = 1;
        to->code = (Tilery__V1__Code)code;
        to->count = count;
        out->code_pointers[out->message.n_codes++] = to;
    }
    out->message.codes = out->code_pointers;
}

static void read_method(const struct stats *stats, size_t method, struct method_message *out)
{
    const struct method_stats *from = &stats->by_method[method];

    tilery__v1__method_stats__init(&out->message);
    name_method(method, out->name);
    out->message.method = out->name;
    read_codes(from, out);
    out->message.total = read_histogram(&from->total, out->total_counts, &out->total);
    out->message.queue = read_histogram(&from->queue, out->queue_counts, &out->queue);
    out->message.run = read_histogram(&from->run, out->run_counts, &out->run);
}

static Tilery__V1__Counters read_counters(const struct stats *stats)
{
    Tilery__V1__Counters out = TILERY__V1__COUNTERS__INIT;

    out.has_tiles = out.has_pixels = out.has_iterations = out.has_records = 1;
    out.has_bytes_received = out.has_bytes_sent = out.has_dropped_expired = out.has_cancelled = 1;
    out.tiles = value_of(&stats->tiles);
    out.pixels = value_of(&stats->pixels);
    out.iterations = value_of(&stats->iterations);
    out.records = value_of(&stats->records);
    out.bytes_received = value_of(&stats->bytes_received);
    out.bytes_sent = value_of(&stats->bytes_sent);
    out.dropped_expired = value_of(&stats->dropped_expired);
    out.cancelled = value_of(&stats->cancelled);
    return out;
}

static Tilery__V1__Gauges read_gauges(const struct service *service, struct rpc_call *call)
{
    struct rpc_load calls = rpc_call_load(call);
    struct admission_load runs = admission_load(service->admission);
    struct streams_load streams = streams_load(service->streams);
    Tilery__V1__Gauges out = TILERY__V1__GAUGES__INIT;

    out.has_connections = out.has_calls = out.has_runs_running = out.has_runs_queued = 1;
    out.has_threads_computing = out.has_threads_held = out.has_threads_limit = 1;
    out.has_streams = out.has_window_bytes = out.has_draining = out.has_cpus = 1;
    out.connections = calls.connections;
    out.calls = calls.calls;
    out.runs_running = runs.running;
    out.runs_queued = runs.queued;
    out.threads_computing = pool_computing(service->pool);
    out.threads_held = runs.threads;
    out.threads_limit = service->max_threads;
    out.streams = streams.open;
    out.window_bytes = streams.window_bytes;
    out.draining = runs.draining;
    out.cpus = service->cpus;
    return out;
}

void service_stats(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    const struct service *service = context;
    size_t count = service->stats->methods + 1;
    struct method_message *methods = rpc_call_alloc(call, count * sizeof *methods);
    Tilery__V1__MethodStats **pointers = rpc_call_alloc(call, count * sizeof(Tilery__V1__MethodStats *));
    Tilery__V1__StatsReply reply = TILERY__V1__STATS_REPLY__INIT;
    Tilery__V1__Gauges gauges = read_gauges(service, call);
    Tilery__V1__Counters counters = read_counters(service->stats);
    struct wire_error error;

    (void)request;
    if (methods == NULL || pointers == NULL) {
        wire_error_set(&error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call; try again");
        rpc_call_fail(call, &error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        read_method(service->stats, i, &methods[i]);
        pointers[i] = &methods[i].message;
    }
    reply.methods = pointers;
    reply.n_methods = count;
    reply.gauges = &gauges;
    reply.counters = &counters;
    reply.bounds_ns = (uint64_t *)(uintptr_t)histogram_bounds_ns;
    reply.n_bounds_ns = HISTOGRAM_BOUNDS;
    reply.has_uptime_ns = 1;
    reply.uptime_ns = clock_now_ns() - service->started_ns;
    rpc_call_reply(call, &reply.base);
}

void service_describe(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    Tilery__V1__DescribeReply reply = TILERY__V1__DESCRIBE_REPLY__INIT;

    (void)request;
    (void)context;
    reply.has_file_descriptor_set = 1;
    reply.file_descriptor_set.data = (uint8_t *)(uintptr_t)schema;
    reply.file_descriptor_set.len = sizeof schema;
    rpc_call_reply(call, &reply.base);
}
