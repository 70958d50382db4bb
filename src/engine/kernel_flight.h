#ifndef TILERY_ENGINE_KERNEL_FLIGHT_H
#define TILERY_ENGINE_KERNEL_FLIGHT_H

/* A part of kernel_vector.c: the pixels that the passes leave. */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/kernel_passes.h"

#define FLIGHT 6   /* vectors side by side: they hide each other's latency */
#define BLOCK 8    /* steps between two looks at the escape */
#define BLOCKS 4   /* blocks between two looks at all else */
#define EXITS 256u /* counted together; a multiple of WIDTH */

struct flight {
    reals c_re[FLIGHT], c_im[FLIGHT], re[FLIGHT], im[FLIGHT];
    reals from_re[FLIGHT], from_im[FLIGHT]; /* where the block began */
    reals old_re[FLIGHT], old_im[FLIGHT];   /* where the orbit was some time ago */
    ints step[FLIGHT], age[FLIGHT];         /* steps done; looks since the lane was filled */
    int64_t pixel[FLIGHT][LANES];
    unsigned busy;
};

/* The next pixel of the list, or none: then z = c = 0, which stays where it is and is taken for nobody's. */
static void fill_lane(struct flight *f, unsigned k, unsigned lane, struct list *list)
{
    bool more = list->next < list->count;
    unsigned at = list->next;

    f->c_re[k][lane] = more ? list->c_re[at] : 0.0;
    f->c_im[k][lane] = more ? list->c_im[at] : 0.0;
    f->re[k][lane] = more ? list->re[at] : 0.0;
    f->im[k][lane] = more ? list->im[at] : 0.0;
    f->old_re[k][lane] = f->old_im[k][lane] = NAN;
    f->age[k][lane] = 0;
    f->step[k][lane] = more ? list->steps : INT64_MIN / 2;
    f->pixel[k][lane] = more ? list->pixel[at] : 0;
    if (more)
        list->next++;
    else
        f->busy--;
}

static inline void step_block(struct flight *f)
{
    reals re[FLIGHT], im[FLIGHT];

#pragma GCC unroll 8
    for (unsigned k = 0; k < FLIGHT; k++) {
        re[k] = f->from_re[k] = f->re[k];
        im[k] = f->from_im[k] = f->im[k];
    }
#pragma GCC unroll 8
    for (unsigned i = 0; i < BLOCK; i++)
#pragma GCC unroll 8
        for (unsigned k = 0; k < FLIGHT; k++) {
            reals re2 = re[k] * re[k], im2 = im[k] * im[k];

            im[k] = (re[k] + re[k]) * im[k] + f->c_im[k];
            re[k] = (re2 - im2) + f->c_re[k];
        }
#pragma GCC unroll 8
    for (unsigned k = 0; k < FLIGHT; k++) {
        f->re[k] = re[k];
        f->im[k] = im[k];
    }
}

/* The lanes that escaped in a block are counted later, several vectors at a time. */
struct exits {
    unsigned count;
    double c_re[EXITS], c_im[EXITS], re[EXITS], im[EXITS];
    int64_t step[EXITS], pixel[EXITS];
};

/* Goes through their last block again and counts its steps. */
static void count_exits(struct exits *exits, uint32_t max_iter, uint16_t *counts)
{
    for (unsigned i = 0; i < exits->count; i += WIDTH) {
        reals re[GROUP], im[GROUP];
        ints step[GROUP];

#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++) {
            re[k] = load(&exits->re[i + k * LANES]);
            im[k] = load(&exits->im[i + k * LANES]);
            step[k] = load_ints(&exits->step[i + k * LANES]);
        }
        count_steps(&exits->c_re[i], &exits->c_im[i], BLOCK, re, im, step);
        memcpy(&exits->step[i], step, sizeof step);
    }
    write_counts(counts, exits->pixel, exits->step, exits->count, max_iter);
    exits->count = 0;
}

static inline void look_for_escapes(struct flight *f, struct list *list, struct exits *exits)
{
    ints escaped[FLIGHT], any = {0};

#pragma GCC unroll 8
    for (unsigned k = 0; k < FLIGHT; k++) {
        escaped[k] = ~(f->re[k] * f->re[k] + f->im[k] * f->im[k] <= 4.0);
        any |= escaped[k];
        f->step[k] += BLOCK;
    }
    if (__builtin_expect(bits_of(any) == 0, 1))
        return;
    for (unsigned k = 0; k < FLIGHT; k++)
        for (unsigned bits = bits_of(escaped[k]); bits != 0; bits &= bits - 1) {
            unsigned lane = (unsigned)__builtin_ctz(bits), at = exits->count++;

            exits->c_re[at] = f->c_re[k][lane];
            exits->c_im[at] = f->c_im[k][lane];
            exits->re[at] = f->from_re[k][lane];
            exits->im[at] = f->from_im[k][lane];
            exits->step[at] = f->step[k][lane] - BLOCK;
            exits->pixel[at] = f->pixel[k][lane];
            fill_lane(f, k, lane, list);
        }
}

/* Lanes that have done all their steps, or stand where they stood: they never escape. */
static inline void look_for_ends(struct flight *f, uint32_t max_iter, bool shortcuts, struct list *list,
                                 uint16_t *counts)
{
    const ints most = (int64_t)max_iter - (ints){0};

#pragma GCC unroll 8
    for (unsigned k = 0; k < FLIGHT; k++) {
        ints ended = f->step[k] >= most;
        unsigned bits;

        if (shortcuts) {
            ints renew = (f->age[k] & (f->age[k] - 1)) == 0;

            ended |= (f->re[k] == f->old_re[k]) & (f->im[k] == f->old_im[k]) & (f->step[k] > 0);
            f->old_re[k] = (reals)select_ints(renew, (ints)f->re[k], (ints)f->old_re[k]);
            f->old_im[k] = (reals)select_ints(renew, (ints)f->im[k], (ints)f->old_im[k]);
            f->age[k] += 1;
        }
        for (bits = bits_of(ended); bits != 0; bits &= bits - 1) {
            unsigned lane = (unsigned)__builtin_ctz(bits);

            counts[f->pixel[k][lane]] = (uint16_t)max_iter;
            fill_lane(f, k, lane, list);
        }
    }
}

APART static bool fly(struct list *list, uint32_t max_iter, bool shortcuts, uint16_t *counts,
                      const atomic_bool *stop)
{
    struct flight f = {.busy = FLIGHT * LANES};
    struct exits exits;

    exits.count = 0;
    list->next = 0;
    for (unsigned k = 0; k < FLIGHT; k++)
        for (unsigned lane = 0; lane < LANES; lane++)
            fill_lane(&f, k, lane, list);
    while (f.busy != 0) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            step_block(&f);
            look_for_escapes(&f, list, &exits);
        }
        if (exits.count > EXITS - BLOCKS * FLIGHT * LANES)
            count_exits(&exits, max_iter, counts);
        look_for_ends(&f, max_iter, shortcuts, list, counts);
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return false;
    }
    count_exits(&exits, max_iter, counts);
    return true;
}

#endif
