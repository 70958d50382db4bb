/*
 * data=1: a run's records with their tiles' counts. A stream gives them in finishing order; the records are
 * to be sorted by their starts, and so all are held here until the last one has come.
 *
 * All of it but `opened` runs on the connection's thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "internal.h"

struct gather {
    tilery_stream *stream;
    struct format_tiles tiles;
    struct format_tile *tile; /* room for all; NULL until the stream is open */
    struct tilery_thread *thread;
    uint16_t *counts, *next; /* room for all, and where the next tile's go */
};

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static enum MHD_Result fail_memory(struct exchange *exchange)
{
    exchange->error = (struct tilery_error){.status = TILERY_RESOURCE_EXHAUSTED};
    (void)snprintf(exchange->error.message, sizeof exchange->error.message, "no memory for the counts");
    return bridge_send_failure(exchange);
}

static bool make_room(struct gather *gather, const struct tilery_compute_request *request)
{
    gather->tile = malloc(tilery_stream_tiles_planned(gather->stream) * sizeof *gather->tile);
    gather->counts = gather->next = malloc(request->width * request->height * sizeof *gather->counts);
    gather->tiles.tiles = gather->tile;
    return gather->tile != NULL && gather->counts != NULL;
}

static void keep(struct gather *gather, const struct tilery_tile *tile)
{
    size_t count = (size_t)tile->columns * tile->rows;

    memcpy(gather->next, tile->counts, count * sizeof *gather->next);
    gather->tile[gather->tiles.count++] = (struct format_tile){.record = format_tile_record(tile),
                                                               .columns = tile->columns,
                                                               .rows = tile->rows,
                                                               .counts = gather->next};
    gather->next += count;
}

/* Among equals finishing order stands, which is the order of their counts. */
static int compare(const void *a, const void *b)
{
    const struct format_tile *left = a, *right = b;

    if (left->record.start_time_ms != right->record.start_time_ms)
        return left->record.start_time_ms < right->record.start_time_ms ? -1 : 1;
    return left->counts < right->counts ? -1 : left->counts > right->counts;
}

/* All have come. */
static enum MHD_Result finish(struct exchange *exchange)
{
    struct gather *gather = exchange->gather;
    struct format_tiles *tiles = &gather->tiles;

    tiles->summary = tilery_stream_summary(gather->stream);
    exchange->times = (struct run_times){true, tiles->summary.queue_ns, tiles->summary.run_ns};
    gather->thread = malloc((tiles->summary.threads + 1) * sizeof *gather->thread);
    if (gather->thread == NULL)
        return fail_memory(exchange);
    for (size_t i = 0; i < tiles->summary.threads; i++)
        gather->thread[i] = tilery_stream_thread(gather->stream, i);
    tiles->threads = gather->thread;
    qsort(gather->tile, tiles->count, sizeof *gather->tile, compare);
    return bridge_send_tiles(exchange, tiles);
}

static void on_time(void *arg)
{
    bridge_called(arg, NULL);
}

static enum MHD_Result answer_gather(struct exchange *exchange);

/* Suspended first: it may be time before tilery_stream_notify has returned. */
static enum MHD_Result wait(struct exchange *exchange)
{
    tilery_stream *stream = exchange->gather->stream;

    bridge_suspend(exchange, answer_gather);
    peer_calls(exchange->bridge->watch, exchange->peer, exchange->call_id);
    if (!tilery_stream_notify(stream, on_time, exchange))
        on_time(exchange);
    return MHD_YES;
}

static enum MHD_Result answer_gather(struct exchange *exchange)
{
    struct gather *gather = exchange->gather;
    const struct tilery_tile *tile;
    bool ready;

    if (exchange->failed)
        return bridge_send_failure(exchange);
    if (gather->tile == NULL && !make_room(gather, &exchange->request))
        return fail_memory(exchange);
    for (;;) {
        if (tilery_stream_try_next(gather->stream, &ready, &tile, &exchange->error) != TILERY_OK)
            return bridge_send_failure(exchange);
        if (!ready)
            return wait(exchange);
        if (tile == NULL)
            return finish(exchange);
        keep(gather, tile);
    }
}

static void opened(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct exchange *exchange = arg;

    exchange->gather->stream = stream;
    bridge_called(exchange, error);
}

static bool reserve(struct exchange *exchange)
{
    const struct tilery_compute_request *request = &exchange->request;
    uint64_t tiles = divide_up(request->width, request->tile_w) * divide_up(request->height, request->tile_h);
    uint64_t bytes = tiles * sizeof(struct format_tile) +
                     request->width * request->height * sizeof(uint16_t) + bands_stream_bytes(request) +
                     request->num_threads * sizeof(struct tilery_thread);
    char subject[96];

    if (tilery_compute_request_bytes(request) == 0)
        return true; /* the server refuses it, in its words */
    (void)snprintf(subject, sizeof subject,
                   "data is \"1\"; with it, an image of %" PRIu64 " x %" PRIu64 " pixels", request->width,
                   request->height);
    return bridge_reserve_within(exchange, bytes, subject);
}

enum MHD_Result bridge_gather(struct exchange *exchange)
{
    const struct tilery_call_options named = {.request_id = exchange->call_id,
                                              .traceparent = exchange->traceparent};
    struct tilery_error error;

    if (!reserve(exchange))
        return bridge_send_failure(exchange);
    exchange->gather = calloc(1, sizeof *exchange->gather);
    if (exchange->gather == NULL)
        return fail_memory(exchange);
    bridge_suspend(exchange, answer_gather);
    peer_calls(exchange->bridge->watch, exchange->peer, exchange->call_id);
    if (tilery_stream_open_async(exchange->bridge->options.client, &exchange->request, &named, opened,
                                 exchange, &error) != TILERY_OK)
        bridge_called(exchange, &error);
    return MHD_YES;
}

void bridge_gather_free(struct gather *gather)
{
    if (gather == NULL)
        return;
    (void)tilery_stream_drop(gather->stream);
    free(gather->thread);
    free(gather->counts);
    free(gather->tile);
    free(gather);
}
