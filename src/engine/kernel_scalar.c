/*
 * The reference: one pixel after another, every step done, no shortcut. The order of the operations is the
 * contract; the build forbids contraction into fused multiply-adds (-ffp-contract=off), which would round
 * differently.
 */
#include "engine/kernel.h"

uint16_t kernel_escape_count(double c_re, double c_im, uint32_t max_iter)
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

static bool compute(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                    uint16_t *counts, const atomic_bool *stop)
{
    for (uint32_t row = y; row < y + rows; row++) {
        double c_im = ((double)row / plane->height) * plane->im_span + plane->im_min;

        for (uint32_t column = x; column < x + columns; column++) {
            double c_re = ((double)column / plane->width) * plane->re_span + plane->re_min;

            if (atomic_load_explicit(stop, memory_order_relaxed))
                return false;
            *counts++ = kernel_escape_count(c_re, c_im, plane->max_iter);
        }
    }
    return true;
}

const struct kernel kernel_scalar = {.name = "scalar", .compute = compute, .plain = compute};
