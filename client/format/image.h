#ifndef TILERY_FORMAT_IMAGE_H
#define TILERY_FORMAT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How escape counts are written as an image. */
enum image_format {
    IMAGE_RAW, /* the counts, row by row, as little-endian uint16 */
    IMAGE_PGM, /* the counts as 16-bit grey: https://netpbm.sourceforge.net/doc/pgm.html */
    IMAGE_PNG  /* 8-bit colours */
};

/* Points that never escape are black, or, by thread, the thread's colour at its darkest. */
enum image_palette {
    IMAGE_GREY,
    IMAGE_VIRIDIS, /* and */
    IMAGE_MAGMA,   /* are even in lightness, and told apart by colour-blind eyes as well */
    IMAGE_THREAD   /* the colour says which thread, its lightness the count */
};

/* By their lower-case names. False when there is none of that name. */
bool image_find_format(const char *name, enum image_format *out);
bool image_find_palette(const char *name, enum image_palette *out);

struct image_options {
    enum image_format format;
    enum image_palette palette; /* of PNG */
    uint32_t width, height;     /* pixels, 1 to 65,536 */
    uint32_t max_iter;
    /* Takes len bytes, or returns false, which ends the image. */
    bool (*write)(void *arg, const void *bytes, size_t len);
    void *arg;
};

/* Writes an image from its top row on, holding one row at a time. One thread at a time. */
struct image;

/* NULL when there is no memory or the beginning could not be written. Ends with image_end. */
struct image *image_begin(const struct image_options *options);

/* count rows of width counts each; threads, of the same shape, is needed by IMAGE_THREAD alone. False when
 * they could not be written. */
bool image_rows(struct image *image, const uint16_t *counts, const uint8_t *threads, uint32_t count);

/* Whether the image is whole and written. */
bool image_end(struct image *image);

#endif
