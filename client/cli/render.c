/*
 * The whole image, in bands of tile rows: one stream each, the next one begun when this one is nearly read.
 * Its tiles come in finishing order; a band is written when it is complete. So the rows come out in order, in
 * bounded memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "image.h"

#define BAND_BYTES (UINT64_C(8) << 20)
#define NO_TIME_LIMIT_MS 600000

struct band {
    tilery_stream *stream;
    uint64_t first_row, rows; /* pixels */
    uint64_t first_tiles;     /* its first row of tiles */
};

struct render {
    tilery_client *client;
    const struct cli_options *options;
    uint64_t columns_of_tiles, rows_of_tiles; /* of the image */
    uint64_t band_rows;                       /* of tiles */
    uint64_t next;                            /* the first row of tiles that no band has yet */
    uint16_t *counts;                         /* a band's */
    uint8_t *threads;                         /* the same for its threads; NULL when nobody asks for them */
    struct image *image;
    struct cli_output output;
};

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Starts the band's run, or starts it anew. */
static enum tilery_status open_stream(const struct render *render, struct band *band,
                                      struct tilery_error *error)
{
    struct tilery_compute_request request = render->options->request;

    request.first_task = band->first_tiles * render->columns_of_tiles;
    request.task_count = divide_up(band->rows, request.tile_h) * render->columns_of_tiles;
    if (!render->options->time_limited)
        request.time_limit_ms = NO_TIME_LIMIT_MS;
    return tilery_stream_open(render->client, &request, &render->options->call, &band->stream, error);
}

/* Opens the next band; its stream is NULL when there is none any more. */
static enum tilery_status open_band(struct render *render, struct band *band, struct tilery_error *error)
{
    const struct tilery_compute_request *request = &render->options->request;
    uint64_t rows = least(render->band_rows, render->rows_of_tiles - render->next);

    *band = (struct band){.first_row = render->next * request->tile_h, .first_tiles = render->next};
    if (rows == 0)
        return TILERY_OK;
    band->rows = least(rows * request->tile_h, request->height - band->first_row);
    render->next += rows;
    return open_stream(render, band, error);
}

static void keep_tile(const struct render *render, const struct band *band, const struct tilery_tile *tile)
{
    uint64_t width = render->options->request.width;

    for (uint32_t y = 0; y < tile->rows; y++) {
        uint64_t at = (tile->tile_y - band->first_row + y) * width + tile->tile_x;

        memcpy(&render->counts[at], &tile->counts[(size_t)y * tile->columns],
               tile->columns * sizeof *tile->counts);
        if (render->threads != NULL)
            memset(&render->threads[at], (int)tile->thread_id, tile->columns);
    }
}

/* A stream that nobody reads does not live long: the next band is begun when the threads are about to run out
 * of tiles of this one. */
static bool is_nearly_read(const struct render *render, const struct band *band)
{
    uint64_t left = tilery_stream_tiles_planned(band->stream) - tilery_stream_tiles_received(band->stream);

    return left <= 2 * render->options->request.num_threads;
}

static enum tilery_status read_tiles(struct render *render, const struct band *band, struct band *next,
                                     bool *begun, struct tilery_error *error)
{
    const struct tilery_tile *tile;

    for (;;) {
        if (!*begun && is_nearly_read(render, band)) {
            *begun = true;
            if (open_band(render, next, error) != TILERY_OK)
                return error->status;
        }
        if (tilery_stream_next(band->stream, &tile, error) != TILERY_OK)
            return error->status;
        if (tile == NULL)
            return TILERY_OK;
        keep_tile(render, band, tile);
    }
}

/* Reads the band and begins the next one. A band that was begun too long ago is begun anew, and has the same
 * counts. */
static enum tilery_status read_band(struct render *render, struct band *band, struct band *next,
                                    struct tilery_error *error)
{
    uint64_t planned, received;
    bool begun = false;
    enum tilery_status status;

    *next = (struct band){.stream = NULL};
    status = read_tiles(render, band, next, &begun, error);
    if (status == TILERY_NOT_FOUND) {
        tilery_stream_close(band->stream);
        band->stream = NULL;
        status = open_stream(render, band, error);
        if (status == TILERY_OK)
            status = read_tiles(render, band, next, &begun, error);
    }
    if (status != TILERY_OK)
        return status;
    planned = tilery_stream_tiles_planned(band->stream);
    received = tilery_stream_tiles_received(band->stream);
    if (received == planned)
        return TILERY_OK;
    error->status = TILERY_DEADLINE_EXCEEDED;
    (void)snprintf(error->message, sizeof error->message,
                   "time_limit_ms left %" PRIu64 " of a band's %" PRIu64 " tiles undone", planned - received,
                   planned);
    return error->status;
}

static int write_bands(struct render *render)
{
    struct tilery_error error;
    struct band band, next;
    int status = 0;

    if (open_band(render, &band, &error) != TILERY_OK)
        return cli_fail(render->options, &error);
    while (status == 0 && band.stream != NULL) {
        if (read_band(render, &band, &next, &error) != TILERY_OK)
            status = cli_fail(render->options, &error);
        else if (!image_rows(render->image, render->counts, render->threads, (uint32_t)band.rows))
            status = cli_output_failed(render->options->output);
        tilery_stream_close(band.stream);
        band = next;
    }
    tilery_stream_close(band.stream);
    return status;
}

static bool write_output(void *arg, const void *bytes, size_t len)
{
    const struct render *render = arg;

    return fwrite(bytes, 1, len, render->output.file) == len;
}

static int write_image(struct render *render, enum image_format format, enum image_palette palette)
{
    const struct tilery_compute_request *request = &render->options->request;
    const struct image_options image = {.format = format,
                                        .palette = palette,
                                        .width = (uint32_t)request->width,
                                        .height = (uint32_t)request->height,
                                        .max_iter = (uint32_t)request->max_iter,
                                        .write = write_output,
                                        .arg = render};
    int status;

    render->image = image_begin(&image);
    if (render->image == NULL)
        return cli_output_failed(render->options->output);
    status = write_bands(render);
    if (!image_end(render->image) && status == 0)
        status = cli_output_failed(render->options->output);
    return status;
}

static bool allocate(struct render *render, enum image_palette palette)
{
    const struct tilery_compute_request *request = &render->options->request;
    uint64_t row_bytes = request->width * request->tile_h * sizeof(uint16_t), pixels;

    render->columns_of_tiles = divide_up(request->width, request->tile_w);
    render->rows_of_tiles = divide_up(request->height, request->tile_h);
    render->band_rows = row_bytes < BAND_BYTES ? BAND_BYTES / row_bytes : 1;
    pixels = least(render->band_rows * request->tile_h, request->height) * request->width;
    render->counts = malloc(pixels * sizeof *render->counts);
    if (palette == IMAGE_THREAD)
        render->threads = malloc(pixels);
    return render->counts != NULL && (palette != IMAGE_THREAD || render->threads != NULL);
}

int cli_render(tilery_client *client, const struct cli_options *options)
{
    const struct tilery_compute_request *request = &options->request;
    struct render render = {.client = client, .options = options};
    enum image_format format = IMAGE_RAW;
    enum image_palette palette = IMAGE_VIRIDIS;
    int status;

    if (options->format != NULL && !image_find_format(options->format, &format))
        return cli_refuse("format", options->format, "png, pgm or raw");
    if (options->palette != NULL && !image_find_palette(options->palette, &palette))
        return cli_refuse("palette", options->palette, "grey, viridis, magma or thread");
    if (request->first_task != 0 || request->task_count != 0) {
        fprintf(stderr,
                "tilery: render writes the whole image; --first-task and --task-count are for compute\n");
        return CLI_USAGE_EXIT;
    }
    if (cli_refuse_terminal(options, "an image"))
        return CLI_USAGE_EXIT;
    status = cli_output_open(&render.output, options->output);
    if (status != 0)
        return status;
    status = allocate(&render, palette) ? write_image(&render, format, palette)
                                        : cli_output_failed(options->output);
    free(render.threads);
    free(render.counts);
    return cli_output_close(&render.output, status);
}
