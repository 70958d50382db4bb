#ifndef TILERY_ENGINE_KERNEL_H
#define TILERY_ENGINE_KERNEL_H

#include <stdatomic.h>
#include <stdbool.h>
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
 * bytes. Looks at *stop at least once a millisecond and gives up, false, once it is set.
 */
typedef bool kernel_fn(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                       uint16_t *counts, const atomic_bool *stop);

struct kernel {
    const char *name;
    kernel_fn *compute;
    kernel_fn *plain;        /* the same without its shortcuts, to measure what they are worth */
    bool (*supported)(void); /* by this machine; NULL: by all */
};

/* The kernels this machine can run, fastest first; NULL from index on that is past the last. Static, never
 * freed. */
const struct kernel *kernel_at(size_t index);

/* By name, or the fastest for "auto"; NULL when there is none of that name here. */
const struct kernel *kernel_find(const char *name);

/* One pixel, as the reference does it. */
uint16_t kernel_escape_count(double c_re, double c_im, uint32_t max_iter);

extern const struct kernel kernel_scalar;

#endif
