/* Stats and Describe: what a server says of its work and of its schema. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "wire/limits.h"

#include "server.pb-c.h"

#define DESCRIBE "tilery.v1.Server/Describe"

typedef Tilery__V1__StatsReply StatsReply;
typedef Tilery__V1__MethodStats MethodStats;
typedef Tilery__V1__Histogram Histogram;

struct stats {
    struct tilery_stats stats; /* first: what the caller sees */
    struct wire_arena arena;
};

/* False when it has not one count for each bucket. */
static bool read_histogram(const Histogram *from, size_t bounds, struct tilery_histogram *out)
{
    if (from == NULL || from->n_counts != bounds + 1)
        return false;
    *out = (struct tilery_histogram){.counts = from->counts, .sum_ns = from->sum_ns};
    for (size_t i = 0; i < from->n_counts; i++)
        out->count += from->counts[i];
    return true;
}

static bool read_method(struct wire_arena *arena, const MethodStats *from, size_t bounds,
                        struct tilery_method_stats *out)
{
    struct tilery_code_count *codes = wire_arena_alloc(arena, from->n_codes * sizeof *codes);

    if (codes == NULL)
        return false;
    for (size_t i = 0; i < from->n_codes; i++)
        codes[i] =
            (struct tilery_code_count){(enum tilery_status)from->codes[i]->code, from->codes[i]->count};
    *out = (struct tilery_method_stats){
        .method = from->method != NULL ? from->method : "", .codes = codes, .code_count = from->n_codes};
    return read_histogram(from->total, bounds, &out->total) &&
           read_histogram(from->queue, bounds, &out->queue) && read_histogram(from->run, bounds, &out->run);
}

static bool read_methods(struct stats *stats, const StatsReply *reply)
{
    struct tilery_method_stats *methods = wire_arena_alloc(&stats->arena, reply->n_methods * sizeof *methods);

    if (methods == NULL)
        return false;
    for (size_t i = 0; i < reply->n_methods; i++)
        if (!read_method(&stats->arena, reply->methods[i], reply->n_bounds_ns, &methods[i]))
            return false;
    stats->stats.methods = methods;
    stats->stats.method_count = reply->n_methods;
    stats->stats.bounds_ns = reply->bounds_ns;
    stats->stats.bound_count = reply->n_bounds_ns;
    stats->stats.uptime_ns = reply->uptime_ns;
    return true;
}

static void read_gauges(const Tilery__V1__Gauges *from, struct tilery_stats *out)
{
    out->connections = from->connections;
    out->calls = from->calls;
    out->runs_running = from->runs_running;
    out->runs_queued = from->runs_queued;
    out->threads_computing = from->threads_computing;
    out->threads_held = from->threads_held;
    out->threads_limit = from->threads_limit;
    out->streams = from->streams;
    out->window_bytes = from->window_bytes;
    out->draining = from->draining;
    out->cpus = from->cpus;
}

static void read_counters(const Tilery__V1__Counters *from, struct tilery_stats *out)
{
    out->tiles = from->tiles;
    out->pixels = from->pixels;
    out->iterations = from->iterations;
    out->records = from->records;
    out->bytes_received = from->bytes_received;
    out->bytes_sent = from->bytes_sent;
    out->dropped_expired = from->dropped_expired;
    out->cancelled = from->cancelled;
}

static enum wire_status read_stats(nng_msg *msg, struct stats *stats, struct wire_error *error)
{
    ProtobufCMessage *message;
    const StatsReply *reply;
    struct wire_reply head;

    if (call_decode(msg, &tilery__v1__stats_reply__descriptor, &stats->arena, &head, &message, error) !=
        WIRE_OK)
        return error->status;
    reply = (const StatsReply *)(const void *)message;
    if (reply->gauges == NULL || reply->counters == NULL || !read_methods(stats, reply))
        return wire_error_set(error, WIRE_INTERNAL, "the reply's statistics are not whole");
    read_gauges(reply->gauges, &stats->stats);
    read_counters(reply->counters, &stats->stats);
    return WIRE_OK;
}

enum wire_status call_read_stats(nng_msg *msg, struct tilery_stats **out, struct wire_error *error)
{
    struct stats *stats = calloc(1, sizeof *stats);

    *out = NULL;
    if (stats == NULL) {
        nng_msg_free(msg);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the reply");
    }
    wire_arena_init(&stats->arena, WIRE_REQUEST_ARENA);
    if (read_stats(msg, stats, error) != WIRE_OK) {
        tilery_stats_free(&stats->stats);
        return error->status;
    }
    *out = &stats->stats;
    return WIRE_OK;
}

enum tilery_status tilery_stats(tilery_client *client, const struct tilery_call_options *options,
                                struct tilery_stats **out, struct tilery_error *error)
{
    Tilery__V1__StatsRequest request = TILERY__V1__STATS_REQUEST__INIT;
    const struct call_spec spec = {.method = CALL_STATS, .request = &request.base, .options = options};
    struct wire_error why;
    nng_msg *msg;

    *out = NULL;
    if (call_blocking(client, &spec, &msg, NULL, &why) != WIRE_OK ||
        call_read_stats(msg, out, &why) != WIRE_OK)
        return call_error(error, &why);
    return TILERY_OK;
}

void tilery_stats_free(struct tilery_stats *stats)
{
    struct stats *whole = (struct stats *)(void *)stats;

    if (stats == NULL)
        return;
    wire_arena_fini(&whole->arena);
    free(whole);
}

static enum wire_status read_schema(nng_msg *msg, unsigned char **out, size_t *size, struct wire_error *error)
{
    const Tilery__V1__DescribeReply *reply;
    ProtobufCMessage *message;
    struct wire_arena arena;
    struct wire_reply head;
    enum wire_status status;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    status = call_decode(msg, &tilery__v1__describe_reply__descriptor, &arena, &head, &message, error);
    if (status == WIRE_OK) {
        reply = (const Tilery__V1__DescribeReply *)(const void *)message;
        *size = reply->file_descriptor_set.len;
        *out = malloc(*size != 0 ? *size : 1);
        if (*out == NULL)
            status = wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the reply");
        else if (*size != 0)
            memcpy(*out, reply->file_descriptor_set.data, *size);
    }
    wire_arena_fini(&arena);
    return status;
}

enum tilery_status tilery_describe(tilery_client *client, const struct tilery_call_options *options,
                                   unsigned char **out, size_t *size, struct tilery_error *error)
{
    Tilery__V1__DescribeRequest request = TILERY__V1__DESCRIBE_REQUEST__INIT;
    const struct call_spec spec = {.method = DESCRIBE, .request = &request.base, .options = options};
    struct wire_error why;
    nng_msg *msg;

    *out = NULL;
    *size = 0;
    if (call_blocking(client, &spec, &msg, NULL, &why) != WIRE_OK ||
        read_schema(msg, out, size, &why) != WIRE_OK)
        return call_error(error, &why);
    return TILERY_OK;
}
