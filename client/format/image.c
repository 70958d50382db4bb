#include "image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "colours.h"

#define BYTES_A_PIXEL COLOUR_BYTES
#define COUNT(array) (sizeof(array) / sizeof *(array))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw rows are written as they lie in memory");

struct image {
    struct image_options options;
    uint32_t rows; /* written */
    bool failed;
    png_struct *png;
    png_info *info;
    uint8_t *row;            /* of the file */
    struct colours *colours; /* of a PNG */
};

static void colour_row(struct image *image, const uint16_t *counts, const uint8_t *threads)
{
    uint8_t *out = image->row;

    for (uint32_t x = 0; x < image->options.width; x++, out += BYTES_A_PIXEL)
        colours_of(image->colours, counts[x], threads != NULL ? threads[x] : 0, out);
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
    struct image *image = calloc(1, sizeof *image);
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
        image->colours = colours_new(options->palette, options->max_iter);
        begun = image->colours != NULL && begin_png(image);
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
    colours_free(image->colours);
    free(image->row);
    free(image);
    return whole;
}
