/*
 * data=1: a run's records with their tiles' counts. A stream gives them in finishing order; the records are
 * to be sorted by their starts, and so all are held here until the last one has come.
 *
 * All of it but `opened` runs on the connection's thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bands.h"
#include "gathered.h"
#include "internal.h"

struct gather {
    tilery_stream *stream;
    struct gathered gathered; /* once the stream is open */
    bool begun;
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

/* All have come. */
static enum MHD_Result finish(struct exchange *exchange)
{
    struct gather *gather = exchange->gather;

    if (!gathered_finish(&gather->gathered, gather->stream))
        return fail_memory(exchange);
    exchange->times = (struct run_times){true, gather->gathered.tiles.summary.queue_ns,
                                         gather->gathered.tiles.summary.run_ns};
    return bridge_send_tiles(exchange, &gather->gathered.tiles);
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
    if (!gather->begun && !gathered_begin(&gather->gathered, &exchange->request, gather->stream, true))
        return fail_memory(exchange);
    gather->begun = true;
    for (;;) {
        if (tilery_stream_try_next(gather->stream, &ready, &tile, &exchange->error) != TILERY_OK)
            return bridge_send_failure(exchange);
        if (!ready)
            return wait(exchange);
        if (tile == NULL)
            return finish(exchange);
        gathered_keep(&gather->gathered, tile);
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
    uint64_t bytes = gathered_bytes(tiles) + request->width * request->height * sizeof(uint16_t) +
                     bands_stream_bytes(request) + request->num_threads * sizeof(struct tilery_thread);
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
    const struct tilery_call_options named = bridge_call_options(exchange);
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
    gathered_free(&gather->gathered);
    free(gather);
}
