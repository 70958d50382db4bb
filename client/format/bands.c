#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "band_runs.h"

#define BAND_BYTES (UINT64_C(8) << 20)
/* Of a stream's batch, beside a tile. A stream may hold one, as it came and decoded, and the next. */
#define BATCH_BYTES (UINT64_C(1) << 20)
#define BATCHES_HELD 3u

/* ---- Shape ---- */

/* How many rows of tiles a band has, at most. */
static uint64_t rows_a_band(const struct tilery_compute_request *request)
{
    uint64_t row_bytes = request->width * least(request->tile_h, request->height) * sizeof(uint16_t);

    return row_bytes < BAND_BYTES ? BAND_BYTES / row_bytes : 1;
}

static uint64_t pixels_a_band(const struct tilery_compute_request *request)
{
    return least(rows_a_band(request) * request->tile_h, request->height) * request->width;
}

static uint64_t pixel_bytes(bool threads)
{
    return sizeof(uint16_t) + (threads ? sizeof(uint8_t) : 0);
}

uint64_t bands_stream_bytes(const struct tilery_compute_request *request)
{
    uint64_t image = request->width * request->height * sizeof(uint16_t);
    uint64_t tile =
        least(request->tile_w, request->width) * least(request->tile_h, request->height) * sizeof(uint16_t);

    return least(image, BATCH_BYTES + tile) * BATCHES_HELD;
}

uint64_t bands_bytes(const struct tilery_compute_request *request, bool threads)
{
    return pixels_a_band(request) * pixel_bytes(threads) + 2 * bands_stream_bytes(request);
}

/* ---- Tiles ---- */

static void keep_tile(const struct bands *bands, const struct band *band, const struct tilery_tile *tile)
{
    for (uint32_t y = 0; y < tile->rows; y++) {
        uint64_t at = (tile->tile_y - band->first_row + y) * bands->request.width + tile->tile_x;

        memcpy(&bands->counts[at], &tile->counts[(size_t)y * tile->columns],
               tile->columns * sizeof *tile->counts);
        if (bands->threads != NULL)
            memset(&bands->threads[at], (int)tile->thread_id, tile->columns);
    }
}

/* A stream that nobody reads does not live long: the next band is begun when the threads are about to run out
 * of tiles of this one. */
static bool is_nearly_read(const struct bands *bands, const tilery_stream *stream)
{
    return tilery_stream_tiles_planned(stream) - tilery_stream_tiles_received(stream) <=
           2 * bands->request.num_threads;
}

/* Reads what there is. *ready: the band has come to its end. */
static enum tilery_status read_tiles(struct bands *bands, struct band *band, bool *ready,
                                     struct tilery_error *error)
{
    struct band *next = &bands->band[1 - bands->current];
    const struct tilery_tile *tile;

    for (;;) {
        if (next->bands == NULL && is_nearly_read(bands, band->stream))
            band_begin(bands, next);
        if (tilery_stream_try_next(band->stream, ready, &tile, error) != TILERY_OK)
            return error->status;
        if (tile == NULL)
            return TILERY_OK;
        keep_tile(bands, band, tile);
    }
}

static enum tilery_status check_whole(const struct bands *bands, const tilery_stream *stream,
                                      struct tilery_error *error)
{
    uint64_t planned = tilery_stream_tiles_planned(stream);
    uint64_t received = tilery_stream_tiles_received(stream);

    if (received == planned)
        return TILERY_OK;
    *error = (struct tilery_error){.status = TILERY_DEADLINE_EXCEEDED};
    (void)snprintf(error->message, sizeof error->message,
                   "time_limit_ms is %" PRIu64 "; %" PRIu64 " of a band's %" PRIu64 " tiles were left undone",
                   bands->request.time_limit_ms, planned - received, planned);
    return error->status;
}

/* ---- Bands ---- */

/* A band that was begun too long ago is gone, and one that found the server busy may find it free now. */
static bool is_worth_another(const struct band *band, enum tilery_status status)
{
    return !band->again &&
           (status == TILERY_NOT_FOUND || (status == TILERY_RESOURCE_EXHAUSTED && band->first_tiles != 0));
}

/* Done with the rows that the caller had. */
static void go_on(struct bands *bands)
{
    struct band *done = &bands->band[bands->current];

    bands->given = false;
    bands->done += tilery_stream_tiles_received(done->stream);
    pthread_mutex_lock(&bands->mutex);
    bands->current = 1 - bands->current;
    pthread_mutex_unlock(&bands->mutex);
    (void)tilery_stream_drop(done->stream);
    *done = (struct band){.state = BAND_NONE};
}

static enum tilery_status read_band(struct bands *bands, struct band *band, bool *ready,
                                    struct tilery_error *error)
{
    enum band_state state;

    pthread_mutex_lock(&bands->mutex);
    state = band->state;
    pthread_mutex_unlock(&bands->mutex);
    *ready = false;
    if (state == BAND_OPENING)
        return TILERY_OK;
    *error = band->error;
    if (state == BAND_OPEN && read_tiles(bands, band, ready, error) == TILERY_OK)
        return *ready ? check_whole(bands, band->stream, error) : TILERY_OK;
    if (!is_worth_another(band, error->status))
        return error->status;
    band_begin_again(band);
    *ready = false;
    return TILERY_OK;
}

static void count_times(struct bands *bands, struct tilery_summary summary)
{
    bands->queue_ns += summary.queue_ns;
    bands->run_ns += summary.run_ns;
}

enum tilery_status bands_try_next(struct bands *bands, bool *ready, struct bands_rows *out,
                                  struct tilery_error *error)
{
    struct band *band;

    *out = (struct bands_rows){.count = 0};
    if (bands->given)
        go_on(bands);
    band = &bands->band[bands->current];
    *ready = band->rows == 0;
    if (*ready)
        return TILERY_OK;
    if (read_band(bands, band, ready, error) != TILERY_OK)
        return error->status;
    if (!*ready)
        return TILERY_OK;
    bands->given = true;
    count_times(bands, tilery_stream_summary(band->stream));
    *out = (struct bands_rows){bands->counts, bands->threads, (uint32_t)band->rows};
    return TILERY_OK;
}

bool bands_notify(struct bands *bands, tilery_stream_notify_fn *fn, void *arg)
{
    struct band *band = &bands->band[bands->current];
    enum band_state state;

    pthread_mutex_lock(&bands->mutex);
    state = band->state;
    if (state == BAND_OPENING) {
        bands->notify = fn;
        bands->notify_arg = arg;
    }
    pthread_mutex_unlock(&bands->mutex);
    if (state == BAND_OPEN)
        return tilery_stream_notify(band->stream, fn, arg);
    return state == BAND_OPENING;
}

void bands_times(const struct bands *bands, uint64_t *queue_ns, uint64_t *run_ns)
{
    *queue_ns = bands->queue_ns;
    *run_ns = bands->run_ns;
}

const char *bands_id(const struct bands *bands)
{
    return bands->band[bands->current].id;
}

uint64_t bands_tiles_received(struct bands *bands)
{
    const struct band *band = &bands->band[bands->current];
    bool open;

    pthread_mutex_lock(&bands->mutex);
    open = band->state == BAND_OPEN;
    pthread_mutex_unlock(&bands->mutex);
    return bands->done + (open ? tilery_stream_tiles_received(band->stream) : 0);
}

uint64_t bands_tiles_planned(const struct bands *bands)
{
    return bands->columns_of_tiles * bands->rows_of_tiles;
}

/* ---- From the start to the end ---- */

static struct bands *new_bands(const struct tilery_compute_request *request, bool threads)
{
    struct bands *bands = calloc(1, sizeof *bands);
    uint64_t pixels = pixels_a_band(request);

    if (bands == NULL)
        return NULL;
    bands->counts = malloc(pixels * pixel_bytes(threads));
    if (bands->counts == NULL) {
        free(bands);
        return NULL;
    }
    if (threads)
        bands->threads = (uint8_t *)&bands->counts[pixels];
    return bands;
}

enum tilery_status bands_open(tilery_client *client, const struct tilery_compute_request *request,
                              const struct tilery_call_options *call, bool threads, struct bands **out,
                              struct tilery_error *error)
{
    struct bands *bands = *out = new_bands(request, threads);

    if (bands == NULL) {
        *error = (struct tilery_error){.status = TILERY_RESOURCE_EXHAUSTED};
        (void)snprintf(error->message, sizeof error->message, "no memory for a band of the image");
        return error->status;
    }
    bands->client = client;
    bands->request = *request;
    if (call != NULL) {
        bands->timeout_ms = call->timeout_ms;
        bands->open_timeout_ms = call->open_timeout_ms;
        bands->wait_for_ready = call->wait_for_ready;
        bands->name = call->request_id;
        bands->traceparent = call->traceparent;
    }
    bands->columns_of_tiles = divide_up(request->width, request->tile_w);
    bands->rows_of_tiles = divide_up(request->height, request->tile_h);
    bands->band_rows = rows_a_band(request);
    bands->refs = 1;
    pthread_mutex_init(&bands->mutex, NULL);
    band_begin(bands, &bands->band[0]);
    return TILERY_OK;
}

void bands_drop(struct bands *bands)
{
    enum band_state states[2];
    unsigned next;

    if (bands == NULL)
        return;
    next = 1 - bands->current;
    pthread_mutex_lock(&bands->mutex);
    bands->dropped = true;
    states[0] = bands->band[0].state;
    states[1] = bands->band[1].state;
    pthread_mutex_unlock(&bands->mutex);
    band_drop(&bands->band[next], states[next]); /* the current one's stream holds the client meanwhile */
    band_drop(&bands->band[bands->current], states[bands->current]);
    free(bands->counts);
    bands_leave(bands);
}
