#include "image.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define BYTES_A_PIXEL 3u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw rows are written as they lie in memory");

struct image {
    struct image_options options;
    uint32_t rows; /* written */
    bool failed;
    png_struct *png;
    png_info *info;
    uint8_t *row;                     /* of the file */
    uint8_t colours[][BYTES_A_PIXEL]; /* a count's, to max_iter; by thread its lightness alone */
};

/* ---- Colours ---- */

struct colour {
    uint8_t red, green, blue;
};

/* Nine even steps of matplotlib's palettes: https://bids.github.io/colormap/ */
static const struct colour viridis[] = {{68, 1, 84},    {71, 45, 123},  {59, 82, 139},
                                        {44, 114, 142}, {33, 144, 140}, {39, 173, 129},
                                        {93, 200, 99},  {170, 220, 50}, {253, 231, 37}};
static const struct colour magma[] = {{0, 0, 4},      {29, 17, 71},    {81, 18, 124},
                                      {130, 38, 129}, {182, 54, 121},  {230, 81, 100},
                                      {251, 136, 97}, {254, 194, 135}, {252, 253, 191}};
static const struct colour grey[] = {{24, 24, 24}, {255, 255, 255}};

/* Okabe and Ito's colours, which colour-blind eyes tell apart: https://jfly.uni-koeln.de/color/ */
static const struct colour by_thread[] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115},   {240, 228, 66},
                                          {0, 114, 178}, {213, 94, 0},   {204, 121, 167}, {187, 187, 187}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint8_t between(uint8_t from, uint8_t to, double part)
{
    return (uint8_t)lround(from + (to - from) * part);
}

/* part: 0 to 1 of the way from the first to the last. */
static void blend(const struct colour *steps, size_t count, double part, uint8_t out[BYTES_A_PIXEL])
{
    double at = part * (double)(count - 1);
    size_t i = at < (double)(count - 2) ? (size_t)at : count - 2;

    out[0] = between(steps[i].red, steps[i + 1].red, at - (double)i);
    out[1] = between(steps[i].green, steps[i + 1].green, at - (double)i);
    out[2] = between(steps[i].blue, steps[i + 1].blue, at - (double)i);
}

/* Most counts are small: on a logarithmic scale, their differences show. */
static void fill_colours(struct image *image)
{
    uint32_t max_iter = image->options.max_iter;

    for (uint32_t count = 0; count < max_iter; count++) {
        double part = max_iter > 1 ? log1p(count) / log1p(max_iter - 1) : 1;

        switch (image->options.palette) {
        case IMAGE_VIRIDIS:
            blend(viridis, COUNT(viridis), part, image->colours[count]);
            break;
        case IMAGE_MAGMA:
            blend(magma, COUNT(magma), part, image->colours[count]);
            break;
        case IMAGE_GREY:
            blend(grey, COUNT(grey), part, image->colours[count]);
            break;
        case IMAGE_THREAD:
            image->colours[count][0] = (uint8_t)lround(90 + 165 * part);
            break;
        }
    }
    memset(image->colours[max_iter], 0, BYTES_A_PIXEL);
    if (image->options.palette == IMAGE_THREAD)
        image->colours[max_iter][0] = 50;
}

static void colour_row(struct image *image, const uint16_t *counts, const uint8_t *threads)
{
    uint8_t *out = image->row;

    for (uint32_t x = 0; x < image->options.width; x++, out += BYTES_A_PIXEL) {
        uint32_t most = image->options.max_iter; /* a count above it would come from no server of ours */
        const uint8_t *colour = image->colours[counts[x] < most ? counts[x] : most];

        if (image->options.palette == IMAGE_THREAD) {
            const struct colour *full = &by_thread[threads[x] % COUNT(by_thread)];

            out[0] = (uint8_t)(full->red * colour[0] / 255);
            out[1] = (uint8_t)(full->green * colour[0] / 255);
            out[2] = (uint8_t)(full->blue * colour[0] / 255);
        } else {
            memcpy(out, colour, BYTES_A_PIXEL);
        }
    }
}

/* ---- PNG: libpng leaves by longjmp, so nothing that changes after setjmp is looked at after it ---- */

static void write_png(png_struct *png, png_byte *bytes, png_size_t len)
{
    struct image *image = png_get_io_ptr(png);

    if (!image->options.write(image->options.arg, bytes, len))
        png_error(png, "the writer refused");
}

static void flush_png(png_struct *png)
{
    (void)png;
}

static void on_png_error(png_struct *png, const char *message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void on_png_warning(png_struct *png, const char *message)
{
    (void)png;
    (void)message;
}

static bool begin_png(struct image *image)
{
    image->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_png_error, on_png_warning);
    if (image->png == NULL || (image->info = png_create_info_struct(image->png)) == NULL)
        return false;
    if (setjmp(png_jmpbuf(image->png)) != 0)
        return false;
    png_set_write_fn(image->png, image, write_png, flush_png);
    png_set_compression_level(image->png, 3); /* a third of the time of 6 for a tenth more bytes */
    png_set_filter(image->png, 0, PNG_FILTER_NONE | PNG_FILTER_UP);
    png_set_IHDR(image->png, image->info, image->options.width, image->options.height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(image->png, image->info);
    return true;
}

static bool write_png_row(struct image *image, const uint16_t *counts, const uint8_t *threads)
{
    colour_row(image, counts, threads);
    if (setjmp(png_jmpbuf(image->png)) != 0)
        return false;
    png_write_row(image->png, image->row);
    return true;
}

static bool end_png(struct image *image)
{
    if (setjmp(png_jmpbuf(image->png)) != 0)
        return false;
    png_write_end(image->png, image->info);
    return true;
}

/* ---- PGM: most significant byte first ---- */

static bool begin_pgm(struct image *image)
{
    char head[64];
    int len = snprintf(head, sizeof head, "P5\n%u %u\n%u\n", image->options.width, image->options.height,
                       image->options.max_iter < 256 ? 256 : image->options.max_iter);

    return image->options.write(image->options.arg, head, (size_t)len);
}

static bool write_pgm_row(struct image *image, const uint16_t *counts)
{
    for (uint32_t x = 0; x < image->options.width; x++) {
        image->row[2 * x] = (uint8_t)(counts[x] >> 8);
        image->row[2 * x + 1] = (uint8_t)counts[x];
    }
    return image->options.write(image->options.arg, image->row, 2 * (size_t)image->options.width);
}

/* ---- */

static bool find(const char *const *names, unsigned count, const char *name, unsigned *out)
{
    for (*out = 0; *out < count; ++*out)
        if (strcmp(names[*out], name) == 0)
            return true;
    return false;
}

bool image_find_format(const char *name, enum image_format *out)
{
    static const char *const names[] = {[IMAGE_RAW] = "raw", [IMAGE_PGM] = "pgm", [IMAGE_PNG] = "png"};
    unsigned i;
    bool found = find(names, COUNT(names), name, &i);

    *out = (enum image_format)i;
    return found;
}

bool image_find_palette(const char *name, enum image_palette *out)
{
    static const char *const names[] = {[IMAGE_GREY] = "grey",
                                        [IMAGE_VIRIDIS] = "viridis",
                                        [IMAGE_MAGMA] = "magma",
                                        [IMAGE_THREAD] = "thread"};
    unsigned i;
    bool found = find(names, COUNT(names), name, &i);

    *out = (enum image_palette)i;
    return found;
}

struct image *image_begin(const struct image_options *options)
{
    struct image *image = calloc(1, sizeof *image + ((size_t)options->max_iter + 1) * BYTES_A_PIXEL);
    bool begun = true;

    if (image == NULL)
        return NULL;
    image->options = *options;
    image->row = malloc((size_t)options->width * BYTES_A_PIXEL);
    if (image->row == NULL) {
        free(image);
        return NULL;
    }
    if (options->format == IMAGE_PNG) {
        fill_colours(image);
        begun = begin_png(image);
    } else if (options->format == IMAGE_PGM) {
        begun = begin_pgm(image);
    }
    image->failed = !begun;
    if (begun)
        return image;
    (void)image_end(image);
    return NULL;
}

static bool write_row(struct image *image, const uint16_t *counts, const uint8_t *threads)
{
    switch (image->options.format) {
    case IMAGE_RAW:
        return image->options.write(image->options.arg, counts, image->options.width * sizeof *counts);
    case IMAGE_PGM:
        return write_pgm_row(image, counts);
    case IMAGE_PNG:
        return write_png_row(image, counts, threads);
    }
    return false;
}

bool image_rows(struct image *image, const uint16_t *counts, const uint8_t *threads, uint32_t count)
{
    for (uint32_t row = 0; row < count && !image->failed; row++) {
        size_t at = (size_t)row * image->options.width;

        image->failed = !write_row(image, &counts[at], threads != NULL ? &threads[at] : NULL);
        image->rows++;
    }
    return !image->failed;
}

bool image_end(struct image *image)
{
    bool whole = !image->failed && image->rows == image->options.height;

    if (whole && image->options.format == IMAGE_PNG)
        whole = end_png(image);
    if (image->png != NULL)
        png_destroy_write_struct(&image->png, &image->info);
    free(image->row);
    free(image);
    return whole;
}
