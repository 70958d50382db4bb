/*
 * The reference: one pixel after another, every step done, no shortcut. The order of the operations is the
 * contract; the build forbids contraction into fused multiply-adds (-ffp-contract=off), which would round
 * differently.
 */
#include "engine/kernel.h"

static uint16_t escape_count(double c_re, double c_im, uint32_t max_iter)
{
    double re = 0.0, im = 0.0;

    for (uint32_t i = 0; i < max_iter; i++) {
        double re2 = re * re;
        double im2 = im * im;

        if (re2 + im2 > 4.0)
            return (uint16_t)i;
        im = (2.0 * re) * im + c_im;
        re = (re2 - im2) + c_re;
    }
    return (uint16_t)max_iter;
}

static void compute(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                    uint16_t *counts)
{
    for (uint32_t row = y; row < y + rows; row++) {
        double c_im = ((double)row / plane->height) * plane->im_span + plane->im_min;

        for (uint32_t column = x; column < x + columns; column++) {
            double c_re = ((double)column / plane->width) * plane->re_span + plane->re_min;

            *counts++ = escape_count(c_re, c_im, plane->max_iter);
        }
    }
}

const struct kernel kernel_scalar = {.name = "scalar", .compute = compute, .steps_per_ms = 400000};
