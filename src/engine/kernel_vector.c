/*
 * The vector kernels: one source, compiled once for each instruction set with KERNEL, its name, and LANES,
 * the doubles in a vector. README.md beside it argues why each shortcut gives exactly the reference's counts.
 *
 * Most pixels escape within a few steps. So the first steps are done in passes over all pixels that are left,
 * several vectors side by side: the first pass leaves out what lies inside the two largest components, and
 * each pass writes down the counts and hands those that are still at it, side by side again, to the next.
 * What is left after the last pass flies: lanes are filled again one by one as they become free, many steps
 * are done between two looks, and an orbit that comes back to a point where it was never escapes.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernel.h"
#include "engine/kernel_flight.h"
#include "engine/kernel_passes.h"

#define NAME_OF(prefix, name) prefix##name
#define EXPAND(prefix, name) NAME_OF(prefix, name)
#define STRING_OF(name) #name
#define TO_STRING(name) STRING_OF(name)

/* Where c = -2 is about: see README.md. */
#define TIP 1e-4
#define NEAR_CIRCLE 1e-12

#define CACHE_LINE 64 /* bytes */

/* Where the doubling is not to be fused: see README.md. */
#define TINY 0x1p-900

/* The list to its end, after which it is empty. */
static bool finish(const struct route *route)
{
    struct list *list = route->list;
    bool done = true;

    list->steps = 1 + pass_steps[0];
    for (unsigned i = 1; i < PASSES && list->count != 0; i++)
        next_pass(list, pass_steps[i], route->max_iter, route->counts);
    if (list->count != 0 && route->max_iter <= list->steps + LAST_PASS)
        next_pass(list, LAST_PASS, route->max_iter, route->counts);
    list->next = 0;
    if (list->count != 0)
        done = fly(route);
    list->count = 0;
    return done;
}

/* The real parts of a chunk's pixels, from a column of the block on: those of a row repeat themselves. */
static void lay_out_re(const struct plane *plane, uint32_t x, uint32_t column, uint32_t columns,
                       struct chunk *chunk)
{
    const unsigned period = columns < CHUNK ? columns : CHUNK;

    for (unsigned i = 0; i < period; i++) {
        uint32_t at = column + i < columns ? column + i : column + i - columns;

        chunk->c_re[i] = ((double)(x + at) / plane->width) * plane->re_span + plane->re_min;
    }
    for (unsigned have = period; have < CHUNK; have *= 2)
        memcpy(&chunk->c_re[have], chunk->c_re,
               (have < CHUNK - have ? have : CHUNK - have) * sizeof *chunk->c_re);
    chunk->column = column;
}

/* Pixels from the given one on of the block, row by row. */
static void lay_out(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, size_t first,
                    unsigned pixels, struct chunk *chunk)
{
    uint32_t row = y + (uint32_t)(first / columns), column = (uint32_t)(first % columns);
    unsigned end;

    if (chunk->column != column)
        lay_out_re(plane, x, column, columns, chunk);
    chunk->tiny = false;
    for (unsigned i = 0; i < pixels; i = end, row++, column = 0) {
        double im = ((double)row / plane->height) * plane->im_span + plane->im_min;

        end = columns - column < pixels - i ? i + columns - column : pixels;
        chunk->tiny |= im != 0.0 && fabs(im) < TINY;
        for (unsigned k = i; k < end; k += LANES)
            store(&chunk->c_im[k], all_reals(im)); /* past the end, too: the next row follows */
    }
    for (; pixels % WIDTH != 0; pixels++) {
        chunk->c_re[pixels] = 4.0; /* escapes at once */
        chunk->c_im[pixels] = 0.0;
        chunk->column = UINT32_MAX;
    }
    chunk->first = first;
    chunk->count = pixels;
}

/* Counts that somebody else has read are in another core's cache, and come while others are computed. */
static void call_in(const uint16_t *counts, unsigned pixels)
{
    for (unsigned i = 0; i < pixels; i += CACHE_LINE / sizeof *counts)
        __builtin_prefetch(&counts[i], 1);
}

/* Whether c = -2 is about there: only around it does the order of a pixel's steps and looks matter. */
static bool is_at_tip(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows)
{
    double left = ((double)x / plane->width) * plane->re_span + plane->re_min;
    double right = ((double)(x + columns) / plane->width) * plane->re_span + plane->re_min;
    double top = ((double)y / plane->height) * plane->im_span + plane->im_min;
    double bottom = ((double)(y + rows) / plane->height) * plane->im_span + plane->im_min;

    return left < -2.0 + TIP && right > -2.0 - TIP && top < TIP && bottom > -TIP;
}

/* There, pixels near |c| = 2 are the reference's. */
static bool settle_tip(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                       uint16_t *counts, const atomic_bool *stop)
{
    for (uint32_t row = y; row < y + rows; row++) {
        double im = ((double)row / plane->height) * plane->im_span + plane->im_min;

        if (fabs(im) > TIP) {
            counts += columns;
            continue;
        }
        for (uint32_t column = x; column < x + columns; column++, counts++) {
            double re = ((double)column / plane->width) * plane->re_span + plane->re_min;

            if (fabs(re * re + im * im - 4.0) < NEAR_CIRCLE)
                *counts = kernel_escape_count(re, im, plane->max_iter);
            if (atomic_load_explicit(stop, memory_order_relaxed))
                return false;
        }
    }
    return true;
}

/* Whether pixels there come near the two components: is_inside is false elsewhere. */
static bool may_be_inside(double left, double right, double top, double bottom)
{
    return (left < 0.375 && right > -0.75 && top < 0.6496 && bottom > -0.6496) ||
           (left < -0.75 && right > -1.25 && top < 0.25 && bottom > -0.25);
}

static inline bool compute_block(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns,
                                 uint32_t rows, uint16_t *counts, const atomic_bool *stop, bool shortcuts)
{
    const double left = ((double)x / plane->width) * plane->re_span + plane->re_min;
    const double right = ((double)(x + columns) / plane->width) * plane->re_span + plane->re_min;
    const size_t all = (size_t)columns * rows;
    uint16_t out[CHUNK];
    struct chunk chunk;
    struct list list;
    const struct route route = {&list, plane->max_iter, shortcuts, counts, stop};

    list.count = 0;
    chunk.column = UINT32_MAX;
    for (size_t first = 0; first < all; first += CHUNK) {
        unsigned pixels = (unsigned)(all - first < CHUNK ? all - first : CHUNK);
        bool inside;

        if (atomic_load_explicit(stop, memory_order_relaxed) ||
            (list.count > LIST - CHUNK && !finish(&route)))
            return false;
        lay_out(plane, x, y, columns, first, pixels, &chunk);
        if (chunk.tiny)
            return kernel_scalar.compute(plane, x, y, columns, rows, counts, stop);
        inside = shortcuts && may_be_inside(left, right, chunk.c_im[0], chunk.c_im[pixels - 1]);
        call_in(&counts[first], pixels);
        first_pass(&chunk, plane->max_iter, inside, &list, out);
        memcpy(&counts[first], out, pixels * sizeof *out);
    }
    if (!finish(&route))
        return false;
    return !is_at_tip(plane, x, y, columns, rows) || settle_tip(plane, x, y, columns, rows, counts, stop);
}

static bool compute(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                    uint16_t *counts, const atomic_bool *stop)
{
    return compute_block(plane, x, y, columns, rows, counts, stop, true);
}

static bool compute_plain(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                          uint16_t *counts, const atomic_bool *stop)
{
    return compute_block(plane, x, y, columns, rows, counts, stop, false);
}

#if defined __x86_64__
static bool supported(void)
{
#if defined __FMA__
    if (!__builtin_cpu_supports("fma"))
        return false;
#endif
    return __builtin_cpu_supports(SUPPORTED);
}
#define IS_SUPPORTED supported
#else
#define IS_SUPPORTED NULL
#endif

extern const struct kernel EXPAND(kernel_, KERNEL);
const struct kernel EXPAND(kernel_, KERNEL) = {
    .name = TO_STRING(KERNEL), .compute = compute, .plain = compute_plain, .supported = IS_SUPPORTED};
