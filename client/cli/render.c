/* The whole image, written band by band. */
#include <semaphore.h>
#include <stdio.h>

#include "bands.h"
#include "cli.h"
#include "image.h"

struct render {
    tilery_client *client;
    const struct cli_options *options;
    struct bands *bands;
    struct image *image;
    struct cli_output output;
};

static void wake(void *arg)
{
    sem_post(arg);
}

static enum tilery_status next_rows(struct bands *bands, struct bands_rows *rows, struct tilery_error *error)
{
    enum tilery_status status;
    bool ready;
    sem_t time;

    sem_init(&time, 0, 0);
    while ((status = bands_try_next(bands, &ready, rows, error)) == TILERY_OK && !ready)
        if (bands_notify(bands, wake, &time))
            while (sem_wait(&time) != 0)
                continue;
    sem_destroy(&time);
    return status;
}

static int write_bands(const struct render *render)
{
    struct tilery_error error;
    struct bands_rows rows;

    for (;;) {
        if (next_rows(render->bands, &rows, &error) != TILERY_OK)
            return cli_fail(render->options, &error);
        if (rows.count == 0)
            return 0;
        if (!image_rows(render->image, rows.counts, rows.threads, rows.count))
            return cli_output_failed(render->options->output);
    }
}

static int open_bands(struct render *render, bool threads)
{
    struct tilery_compute_request request = render->options->request;
    struct tilery_error error;

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
        return cli_output_failed(render->options->output);
    status = write_bands(render);
    if (!image_end(render->image) && status == 0)
        status = cli_output_failed(render->options->output);
    return status;
}

int cli_render(tilery_client *client, const struct cli_options *options)
{
    struct render render = {.client = client, .options = options};
    enum image_format format = IMAGE_RAW;
    enum image_palette palette = IMAGE_VIRIDIS;
    int status;

    if (options->format != NULL && !image_find_format(options->format, &format))
        return cli_refuse("format", options->format, "png, pgm or raw");
    if (options->palette != NULL && !image_find_palette(options->palette, &palette))
        return cli_refuse("palette", options->palette, "grey, viridis, magma or thread");
    if (cli_refuse_terminal(options, "an image"))
        return CLI_USAGE_EXIT;
    status = cli_output_open(&render.output, options->output);
    if (status != 0)
        return status;
    status = open_bands(&render, palette == IMAGE_THREAD);
    if (status == 0)
        status = write_image(&render, format, palette);
    bands_drop(render.bands);
    return cli_output_close(&render.output, status);
}
