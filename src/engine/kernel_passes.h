#ifndef TILERY_ENGINE_KERNEL_PASSES_H
#define TILERY_ENGINE_KERNEL_PASSES_H

/* A part of kernel_vector.c: the first steps of all pixels. */
#include <stdint.h>
#include <string.h>

#include "engine/kernel_lanes.h"

#define CHUNK 512u /* pixels of a first pass */
#define LIST 4096u /* that the other passes and a flight take at a time */
#define GROUP 4    /* vectors side by side */
#define LOOK 4     /* steps between two looks whether all have escaped */
#define WIDTH (GROUP * LANES)

/* Steps of the passes, multiples of LOOK; and how many may be left to a last one, before it is worth to fly.
 */
static const unsigned pass_steps[] = {8, 16, 40};
#define PASSES (sizeof pass_steps / sizeof *pass_steps)
#define LAST_PASS 64

/* Margins of the shortcuts: see README.md. */
#define CARDIOID_MARGIN (1.0 / 4096)
#define DISC_MARGIN (1.0 / 512)

/* The next pixels, with room for a last group. */
struct chunk {
    unsigned count;  /* a multiple of WIDTH */
    bool tiny;       /* some c_im is too near zero for twice_product */
    uint32_t column; /* of the block, in which c_re begins; UINT32_MAX: c_re is not to be used again */
    size_t first;
    double c_re[CHUNK], c_im[CHUNK + LANES];
};

/* Pixels that have not escaped in so many steps. */
struct list {
    unsigned count, next, steps;
    double c_re[LIST + WIDTH], c_im[LIST + WIDTH], re[LIST + WIDTH], im[LIST + WIDTH];
    int64_t pixel[LIST + WIDTH];
};

/* Deep enough in the cardioid or the disc of period two that the orbit cannot escape. Far out squares are
 * infinite, and infinity is not less than itself. */
static inline mask is_inside(reals c_re, reals c_im)
{
    const double keep = 1.0 - CARDIOID_MARGIN, t = 1.0 - keep * keep, disc = (1.0 - DISC_MARGIN) / 4.0;
    reals c_im2 = c_im * c_im, x = c_re - 0.25;
    reals q = x * x + c_im2;
    reals m = (q + q) + (c_re - (0.25 - t * t / 8.0));
    reals from_disc = c_re + 1.0;

    return at_most(m, all_reals(0.0)) | below(m * m, (1.0 - t) * (1.0 - t) * q) |
           at_most(from_disc * from_disc + c_im2, all_reals(disc * disc));
}

/* Does most steps of a group, or fewer where all have escaped, and counts those before each escape. */
static inline void count_steps(const double *c_re, const double *c_im, unsigned most, reals *re, reals *im,
                               ints *count)
{
    for (unsigned done = 0; done < most; done += LOOK) {
        mask any = {0};

#pragma GCC unroll 4
        for (unsigned i = 0; i < LOOK; i++)
#pragma GCC unroll 4
            for (unsigned k = 0; k < GROUP; k++) {
                mask in = at_most(re[k] * re[k] + im[k] * im[k], all_reals(4.0));

                count[k] = count_in(count[k], in);
                if (i == LOOK - 1)
                    any |= in;
                step(&re[k], &im[k], load(&c_re[k * LANES]), load(&c_im[k * LANES]), true);
            }
        if (bits_of(any) == 0)
            return;
    }
}

/* The counts of a group, at most max_iter, for its first pixels. */
static inline void write_counts(uint16_t *counts, const int64_t *pixel, const ints *count, unsigned pixels,
                                uint32_t max_iter)
{
    int64_t out[WIDTH];

#pragma GCC unroll 4
    for (unsigned k = 0; k < GROUP; k++) {
        ints least = least_ints(count[k], all_ints(max_iter));

        memcpy(&out[k * LANES], &least, sizeof least);
    }
    for (unsigned i = 0; i < pixels; i++)
        counts[pixel[i]] = (uint16_t)out[i];
}

/* The lanes that have their bit set go to the list. */
static inline void keep(struct list *list, unsigned bits, reals c_re, reals c_im, reals re, reals im,
                        ints pixel)
{
    unsigned at = list->count;

    store_some(&list->c_re[at], (ints)c_re, bits);
    store_some(&list->c_im[at], (ints)c_im, bits);
    store_some(&list->re[at], (ints)re, bits);
    store_some(&list->im[at], (ints)im, bits);
    store_some(&list->pixel[at], pixel, bits);
    list->count += (unsigned)__builtin_popcount(bits);
}

/* From z = c on, which is after the first step. Pixels inside are counted, and z is moved out. */
static inline void first_pass_of(const struct chunk *chunk, uint32_t max_iter, bool test_inside,
                                 struct list *list, uint16_t *counts)
{
    const ints most = all_ints(max_iter), one = all_ints(1), last = all_ints(1 + pass_steps[0]);
    const reals outside = all_reals(16.0);
    const bool goes_on = max_iter > 1 + pass_steps[0];

    for (unsigned i = 0; i < chunk->count; i += WIDTH) {
        const double *c_re = &chunk->c_re[i], *c_im = &chunk->c_im[i];
        reals re[GROUP], im[GROUP];
        ints count[GROUP];
        mask left[GROUP], any = {0};

#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++) {
            re[k] = load(&c_re[k * LANES]);
            im[k] = load(&c_im[k * LANES]);
            count[k] = one;
            if (test_inside) {
                mask inside = is_inside(re[k], im[k]);

                count[k] = select_ints(inside, most, one);
                re[k] = select_reals(inside, outside, re[k]);
            }
        }
        count_steps(c_re, c_im, pass_steps[0], re, im, count);
#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++) {
            halves out = __builtin_convertvector(least_ints(count[k], most), halves);

            memcpy(&counts[i + k * LANES], &out, sizeof out);
            left[k] = equal_ints(count[k], last);
            any |= left[k];
        }
        if (!goes_on || bits_of(any) == 0)
            continue;
#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++)
            keep(list, bits_of(left[k]), load(&c_re[k * LANES]), load(&c_im[k * LANES]), re[k], im[k],
                 (int64_t)(chunk->first + i + k * LANES) + lane_numbers());
    }
}

APART static void first_pass(const struct chunk *chunk, uint32_t max_iter, bool test_inside,
                             struct list *list, uint16_t *counts)
{
    if (test_inside)
        first_pass_of(chunk, max_iter, true, list, counts);
    else
        first_pass_of(chunk, max_iter, false, list, counts);
}

/* The list's pixels go on, and those that are left are moved to its front. */
APART static void next_pass(struct list *list, unsigned steps, uint32_t max_iter, uint16_t *counts)
{
    const unsigned all = list->count, end = list->steps + steps;

    for (unsigned i = all; i < all + WIDTH; i++) {
        list->c_re[i] = list->re[i] = 4.0; /* escapes at once */
        list->c_im[i] = list->im[i] = 0.0;
    }
    list->count = 0;
    for (unsigned i = 0; i < all; i += WIDTH) {
        const double *c_re = &list->c_re[i], *c_im = &list->c_im[i];
        unsigned pixels = all - i < WIDTH ? all - i : WIDTH;
        reals re[GROUP], im[GROUP];
        ints count[GROUP];

#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++) {
            re[k] = load(&list->re[i + k * LANES]);
            im[k] = load(&list->im[i + k * LANES]);
            count[k] = all_ints(list->steps);
        }
        count_steps(c_re, c_im, steps, re, im, count);
        write_counts(counts, &list->pixel[i], count, pixels, max_iter);
        if (max_iter <= end)
            continue;
#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++)
            keep(list, bits_of(equal_ints(count[k], all_ints(end))), load(&c_re[k * LANES]),
                 load(&c_im[k * LANES]), re[k], im[k], load_ints(&list->pixel[i + k * LANES]));
    }
    list->steps = end;
}

#endif
