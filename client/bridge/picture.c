/*
 * /api/compute/image.png. The answer begins when the first band of the image is there, so that all that fails
 * before is an error like any other; from then on, what fails cuts the answer short.
 *
 * All of it runs on the connection's thread. While there is nothing to send the connection is suspended, and
 * its peer is watched: where the client leaves, the run that is waited for is cancelled, which ends the wait.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "internal.h"

#define PNG "image/png"

/* How many pixels are encoded at a time, and at least a row: other connections wait meanwhile. */
#define SLICE_PIXELS 65536u
/* Of the encoder: zlib's state; and for each of a row's pixels the colours, the filters' rows, and what comes
 * of them. */
#define ENCODER_BYTES (UINT64_C(1) << 19)
#define ENCODER_PIXEL_BYTES 24u
#define COLOUR_BYTES 3u

struct picture {
    struct exchange *exchange;
    struct bands *bands;
    struct image *image;    /* NULL before the first band, and after the last */
    struct bands_rows rows; /* the band that is there, */
    uint32_t encoded;       /* and how many of its rows are done with */
    char *piece;            /* what is encoded, and not yet sent from used on */
    size_t used, len, size;
    bool failed;
};

/* ---- Pieces ---- */

static bool take_bytes(void *arg, const void *bytes, size_t len)
{
    struct picture *picture = arg;
    size_t size = picture->size;

    while (size - picture->len < len)
        size = size != 0 ? 2 * size : 2 * (len + 1);
    if (size != picture->size) {
        char *piece = realloc(picture->piece, size);

        if (piece == NULL)
            return false;
        picture->piece = piece;
        picture->size = size;
    }
    memcpy(&picture->piece[picture->len], bytes, len);
    picture->len += len;
    return true;
}

static bool begin_image(struct picture *picture)
{
    const struct tilery_compute_request *request = &picture->exchange->request;
    const struct image_options options = {.format = IMAGE_PNG,
                                          .palette = picture->exchange->palette,
                                          .width = (uint32_t)request->width,
                                          .height = (uint32_t)request->height,
                                          .max_iter = (uint32_t)request->max_iter,
                                          .write = take_bytes,
                                          .arg = picture};

    picture->image = image_begin(&options);
    return picture->image != NULL;
}

static bool end_image(struct picture *picture)
{
    struct image *image = picture->image;

    picture->image = NULL;
    return image_end(image);
}

/* Encodes some of the band's rows. */
static bool encode(struct picture *picture)
{
    uint64_t width = picture->exchange->request.width, at = picture->encoded * width;
    const struct bands_rows *rows = &picture->rows;
    uint32_t count = width < SLICE_PIXELS ? (uint32_t)(SLICE_PIXELS / width) : 1;

    if (count > rows->count - picture->encoded)
        count = rows->count - picture->encoded;
    picture->encoded += count;
    return image_rows(picture->image, &rows->counts[at], rows->threads != NULL ? &rows->threads[at] : NULL,
                      count);
}

/* ---- Waiting ---- */

static void on_time(void *arg)
{
    bridge_called(arg, NULL);
}

static bridge_answer_fn answer_picture;

/* Suspended first: it may be time before bands_notify has returned. */
static void wait(struct exchange *exchange)
{
    struct bands *bands = exchange->picture->bands;

    bridge_suspend(exchange, answer_picture);
    peer_calls(exchange->bridge->watch, exchange->peer, bands_id(bands));
    if (!bands_notify(bands, on_time, exchange))
        on_time(exchange);
}

/* Of the bands so far. */
static void note_times(struct exchange *exchange)
{
    struct run_times *times = &exchange->times;

    times->known = true;
    bands_times(exchange->picture->bands, &times->queue_ns, &times->run_ns);
}

/* ---- The body ---- */

/* Makes more of it, or waits. False: there is no more, or it has failed. */
static bool advance(struct picture *picture)
{
    struct tilery_error error;
    bool ready;

    picture->used = picture->len = 0;
    if (picture->image == NULL)
        return false;
    if (picture->encoded < picture->rows.count)
        return !(picture->failed = !encode(picture));
    picture->encoded = 0;
    picture->failed = bands_try_next(picture->bands, &ready, &picture->rows, &error) != TILERY_OK;
    note_times(picture->exchange);
    if (picture->failed)
        return false;
    if (!ready)
        wait(picture->exchange);
    else if (picture->rows.count == 0)
        picture->failed = !end_image(picture);
    return !picture->failed;
}

/* 0: it is to be called again, when it is resumed, or at once where it is not suspended. */
static ssize_t read_picture(void *arg, uint64_t position, char *buffer, size_t size)
{
    struct exchange *exchange = arg;
    struct picture *picture = exchange->picture;

    (void)position;
    if (picture->used == picture->len && !advance(picture))
        return picture->failed ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    if (size > picture->len - picture->used)
        size = picture->len - picture->used;
    memcpy(buffer, &picture->piece[picture->used], size);
    picture->used += size;
    exchange->bytes += size;
    return (ssize_t)size;
}

static enum MHD_Result send_picture(struct exchange *exchange)
{
    char disposition[96];

    (void)snprintf(disposition, sizeof disposition,
                   "inline; filename=\"mandelbrot-%" PRIu64 "x%" PRIu64 ".png\"", exchange->request.width,
                   exchange->request.height);
    return bridge_send_pieces(exchange, PNG, disposition, read_picture);
}

/* ---- The request ---- */

/* The first band is there, or not yet, or never. */
static enum MHD_Result answer_picture(struct exchange *exchange)
{
    struct picture *picture = exchange->picture;
    bool ready;

    if (bands_try_next(picture->bands, &ready, &picture->rows, &exchange->error) != TILERY_OK)
        return bridge_send_failure(exchange);
    if (ready) {
        note_times(exchange);
        return begin_image(picture) ? send_picture(exchange) : MHD_NO;
    }
    wait(exchange);
    return MHD_YES;
}

static uint64_t picture_bytes(const struct exchange *exchange)
{
    const struct tilery_compute_request *request = &exchange->request;

    return bands_bytes(request, exchange->palette == IMAGE_THREAD) + ENCODER_BYTES +
           ENCODER_PIXEL_BYTES * request->width + COLOUR_BYTES * request->max_iter;
}

static bool reserve(struct exchange *exchange)
{
    char subject[80];

    (void)snprintf(subject, sizeof subject, "tile_h is %" PRIu64 "; with this width, a row of such tiles",
                   exchange->request.tile_h);
    return bridge_reserve_within(exchange, picture_bytes(exchange), subject);
}

static bool open_picture(struct exchange *exchange)
{
    const struct tilery_call_options named = bridge_stream_options(exchange);
    struct picture *picture = exchange->picture = calloc(1, sizeof *picture);

    if (picture == NULL) {
        exchange->error = (struct tilery_error){.status = TILERY_RESOURCE_EXHAUSTED};
        (void)snprintf(exchange->error.message, sizeof exchange->error.message, "no memory for the picture");
        return false;
    }
    picture->exchange = exchange;
    return bands_open(exchange->bridge->options.client, &exchange->request, &named,
                      exchange->palette == IMAGE_THREAD, &picture->bands, &exchange->error) == TILERY_OK;
}

enum MHD_Result bridge_picture(struct exchange *exchange)
{
    tilery_compute_request_init(&exchange->request);
    exchange->request.mode = TILERY_MODE_CONCURRENT;
    exchange->request.time_limit_ms = BANDS_NO_TIME_LIMIT_MS;
    exchange->is_picture = true;
    exchange->palette = IMAGE_VIRIDIS;
    if (!bridge_read_params(exchange))
        return bridge_send_failure(exchange);
    if (strcmp(exchange->method, "HEAD") == 0)
        return bridge_send_head(exchange, PNG);
    if (!reserve(exchange) || !open_picture(exchange))
        return bridge_send_failure(exchange);
    wait(exchange);
    return MHD_YES;
}

void bridge_picture_free(struct picture *picture)
{
    if (picture == NULL)
        return;
    if (picture->image != NULL)
        (void)image_end(picture->image);
    bands_drop(picture->bands);
    free(picture->piece);
    free(picture);
}
