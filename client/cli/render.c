/* The whole image, written band by band. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bands.h"
#include "cli.h"
#include "image.h"
#include "progress.h"
#include "terminal.h"
#include "wire/clock.h"

#define NS_PER_MS UINT64_C(1000000)

struct render {
    tilery_client *client;
    const struct cli_options *options;
    struct bands *bands;
    struct image *image;
    struct cli_output output;
    struct waker waker;
    struct progress progress;
    uint64_t start_ns;
    bool has_rows; /* that have come */
};

/* Whether there is a reason to stop: a signal, or the time that the whole image may take. Within the first
 * band that is the library's to say. */
static bool is_over(const struct render *render, struct tilery_error *error)
{
    uint64_t timeout_ms = render->options->call.timeout_ms;
    bool late =
        render->has_rows && timeout_ms != 0 && wire_now_ns() - render->start_ns > timeout_ms * NS_PER_MS;

    *error = (struct tilery_error){.status = late ? TILERY_DEADLINE_EXCEEDED : TILERY_CANCELLED};
    (void)snprintf(error->message, sizeof error->message, "the image's time was up before its last row");
    return late || *render->options->ended != 0;
}

static enum tilery_status next_rows(struct render *render, struct bands_rows *rows,
                                    struct tilery_error *error)
{
    struct bands *bands = render->bands;
    enum tilery_status status;
    bool ready, told;
    uint64_t received;

    while ((status = bands_try_next(bands, &ready, rows, error)) == TILERY_OK && !ready) {
        received = bands_tiles_received(bands);
        told = !bands_notify(bands, waker_tell, &render->waker);
        while (!told) {
            (void)waker_wait(&render->waker, render->options, PROGRESS_MS, &told);
            if (is_over(render, error))
                return error->status;
            progress_show(&render->progress, received, bands_tiles_planned(bands));
        }
    }
    return status;
}

static int write_bands(struct render *render)
{
    struct tilery_error error;
    struct bands_rows rows;

    for (;;) {
        if (next_rows(render, &rows, &error) != TILERY_OK) {
            progress_end(&render->progress);
            return cli_fail(render->options, &error);
        }
        if (rows.count == 0)
            return 0;
        render->has_rows = true;
        if (!image_rows(render->image, rows.counts, rows.threads, rows.count))
            return cli_output_failed(render->options);
    }
}

static int open_bands(struct render *render, bool threads)
{
    struct tilery_compute_request request = render->options->request;
    struct tilery_error error = {.status = TILERY_RESOURCE_EXHAUSTED,
                                 .message = "no descriptors for an image"};

    if (!waker_open(&render->waker))
        return cli_fail(render->options, &error);
    if (!render->options->time_limited)
        request.time_limit_ms = BANDS_NO_TIME_LIMIT_MS;
    if (bands_open(render->client, &request, &render->options->call, threads, &render->bands, &error) !=
        TILERY_OK)
        return cli_fail(render->options, &error);
    return 0;
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
        return cli_output_failed(render->options);
    progress_begin(&render->progress, render->options, "tiles");
    status = write_bands(render);
    progress_end(&render->progress);
    if (!image_end(render->image) && status == 0)
        status = cli_output_failed(render->options);
    return status;
}

/* A name that promises a picture where none was asked for. */
static void warn_of_name(const struct cli_options *options)
{
    const char *dot = strrchr(options->output, '.');
    enum image_format format;

    if (options->format == NULL && !options->quiet && dot != NULL && image_find_format(dot + 1, &format) &&
        format != IMAGE_RAW)
        fprintf(stderr, "tilery: warning: %s gets raw counts, as --format %s is not given\n", options->output,
                dot + 1);
}

int cli_render(tilery_client *client, const struct cli_options *options)
{
    struct render render = {.client = client, .options = options, .start_ns = wire_now_ns()};
    enum image_format format = IMAGE_RAW;
    enum image_palette palette = IMAGE_VIRIDIS;
    int status;

    if (options->format != NULL && !image_find_format(options->format, &format))
        return cli_refuse("--format", options->format, "png, pgm or raw");
    if (options->palette != NULL && !image_find_palette(options->palette, &palette))
        return cli_refuse("--palette", options->palette, "grey, viridis, magma or thread");
    if (cli_refuse_terminal(options, "an image"))
        return CLI_USAGE_EXIT;
    status = cli_output_open(&render.output, options);
    if (status != 0)
        return status;
    warn_of_name(options);
    status = open_bands(&render, palette == IMAGE_THREAD);
    if (status == 0)
        status = write_image(&render, format, palette);
    bands_drop(render.bands);
    waker_close(&render.waker);
    return cli_output_close(&render.output, status);
}
