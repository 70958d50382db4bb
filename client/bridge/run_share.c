/* What a run takes. */
#include "run.h"

/* Of events that are kept for who comes again: more than the buffers of a connection hold, which may be lost
 * with it. */
#define KEEP_BYTES (UINT64_C(4) << 20)
/* Of an event beside its counts; of a run beside its events and tiles. */
#define EVENT_BYTES 512u
#define RUN_BYTES (UINT64_C(64) << 10)
/* Of the tiles that libtilery has fetched ahead: as many times, as messages and as tiles. */
#define BATCH_BYTES (UINT64_C(1) << 20)
#define BATCHES 3u

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* At most, of one tile and of all. */
static uint64_t tile_counts(const struct tilery_compute_request *request)
{
    return (uint64_t)least(request->tile_w, request->width) * least(request->tile_h, request->height);
}

static uint64_t tiles_of(const struct tilery_compute_request *request)
{
    return (uint64_t)((request->width + request->tile_w - 1) / request->tile_w) *
           ((request->height + request->tile_h - 1) / request->tile_h);
}

uint64_t run_keep_bytes(const struct tilery_compute_request *request)
{
    uint64_t all = RUN_BYTES + tiles_of(request) * EVENT_BYTES +
                   (uint64_t)request->width * request->height * sizeof(uint16_t);
    uint64_t one = EVENT_BYTES + tile_counts(request) * sizeof(uint16_t);

    return least(all, one > KEEP_BYTES ? one : KEEP_BYTES);
}

uint64_t runs_share(const struct tilery_compute_request *request)
{
    uint64_t one = tile_counts(request);
    uint64_t ahead = least((uint64_t)request->width * request->height * sizeof(uint16_t),
                           BATCH_BYTES + one * sizeof(uint16_t));

    return RUN_BYTES + run_keep_bytes(request) + one * sizeof(uint16_t) + BATCHES * ahead +
           tiles_of(request) / 8;
}
