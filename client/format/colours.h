#ifndef TILERY_FORMAT_COLOURS_H
#define TILERY_FORMAT_COLOURS_H

#include <stdint.h>

#include "image.h"

#define COLOUR_BYTES 3u /* red, green, blue */

/* The colours of a palette for every count up to max_iter. */
struct colours;

/* NULL: no memory. Ends with colours_free. */
struct colours *colours_new(enum image_palette palette, uint32_t max_iter);
void colours_free(struct colours *colours);

/* Of a count, and by IMAGE_THREAD of the thread that found it. */
void colours_of(const struct colours *colours, uint16_t count, uint32_t thread, uint8_t out[COLOUR_BYTES]);

/* A thread's own, at its lightest. */
void colours_thread(uint32_t thread, uint8_t out[COLOUR_BYTES]);

#endif
