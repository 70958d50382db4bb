#ifndef TILERY_ENGINE_KERNEL_H
#define TILERY_ENGINE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* The part of the complex plane that an image shows, and how long its pixels are followed. */
struct plane {
    double re_min, im_min;   /* finite */
    double re_span, im_span; /* finite, > 0 */
    uint32_t width, height;  /* pixels */
    uint32_t max_iter;       /* 1 to 65,535 */
};

/*
 * Writes the escape counts of a block of pixels, row-major. The count of pixel (x, y) is the number of steps
 * z -> z*z + c from z = 0 that end before |z| > 2, at most max_iter, for
 *
 *     c = (x / width) * re_span + re_min + i * ((y / height) * im_span + im_min)
 *
 * in IEEE 754 double, in exactly the order of kernel_scalar.c and never fused. Every kernel gives the same
 * bytes.
 */
typedef void kernel_fn(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                       uint16_t *counts);

struct kernel {
    const char *name;
    kernel_fn *compute;
    /* About how many steps it does in a millisecond: sizes the blocks between two looks at the cancel flag.
     */
    uint32_t steps_per_ms;
};

/* The kernels this machine can run, fastest first; NULL from index on that is past the last. Static, never
 * freed. */
const struct kernel *kernel_at(size_t index);

/* By name, or the fastest for "auto"; NULL when there is none of that name here. */
const struct kernel *kernel_find(const char *name);

extern const struct kernel kernel_scalar;

#endif
