#include "colours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct colours {
    enum image_palette palette;
    uint32_t max_iter;
    uint8_t counts[][COLOUR_BYTES]; /* by thread, the lightness alone */
};

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
static void blend(const struct colour *steps, size_t count, double part, uint8_t out[COLOUR_BYTES])
{
    double at = part * (double)(count - 1);
    size_t i = at < (double)(count - 2) ? (size_t)at : count - 2;

    out[0] = between(steps[i].red, steps[i + 1].red, at - (double)i);
    out[1] = between(steps[i].green, steps[i + 1].green, at - (double)i);
    out[2] = between(steps[i].blue, steps[i + 1].blue, at - (double)i);
}

/* Most counts are small: on a logarithmic scale, their differences show. */
static void fill(struct colours *colours)
{
    uint32_t max_iter = colours->max_iter;

    for (uint32_t count = 0; count < max_iter; count++) {
        double part = max_iter > 1 ? log1p(count) / log1p(max_iter - 1) : 1;

        switch (colours->palette) {
        case IMAGE_VIRIDIS:
            blend(viridis, COUNT(viridis), part, colours->counts[count]);
            break;
        case IMAGE_MAGMA:
            blend(magma, COUNT(magma), part, colours->counts[count]);
            break;
        case IMAGE_GREY:
            blend(grey, COUNT(grey), part, colours->counts[count]);
            break;
        case IMAGE_THREAD:
            colours->counts[count][0] = (uint8_t)lround(90 + 165 * part);
            break;
        }
    }
    memset(colours->counts[max_iter], 0, COLOUR_BYTES);
    if (colours->palette == IMAGE_THREAD)
        colours->counts[max_iter][0] = 50;
}

struct colours *colours_new(enum image_palette palette, uint32_t max_iter)
{
    struct colours *colours = malloc(sizeof *colours + ((size_t)max_iter + 1) * COLOUR_BYTES);

    if (colours == NULL)
        return NULL;
    colours->palette = palette;
    colours->max_iter = max_iter;
    fill(colours);
    return colours;
}

void colours_free(struct colours *colours)
{
    free(colours);
}

void colours_thread(uint32_t thread, uint8_t out[COLOUR_BYTES])
{
    const struct colour *full = &by_thread[thread % COUNT(by_thread)];

    out[0] = full->red;
    out[1] = full->green;
    out[2] = full->blue;
}

void colours_of(const struct colours *colours, uint16_t count, uint32_t thread, uint8_t out[COLOUR_BYTES])
{
    uint32_t most = colours->max_iter; /* a count above it would come from no server of ours */
    const uint8_t *colour = colours->counts[count < most ? count : most];

    if (colours->palette != IMAGE_THREAD) {
        memcpy(out, colour, COLOUR_BYTES);
        return;
    }
    colours_thread(thread, out);
    for (unsigned i = 0; i < COLOUR_BYTES; i++)
        out[i] = (uint8_t)(out[i] * colour[0] / 255);
}
