#ifndef TILERY_ENGINE_KERNEL_FLIGHT_H
#define TILERY_ENGINE_KERNEL_FLIGHT_H

/* A part of kernel_vector.c: the pixels that the passes leave. */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/kernel_passes.h"

#define FLIGHT (LANES == 8 ? 5 : 7) /* vectors side by side: they hide each other's latency */
#define TAIL 2                      /* of them go on when few pixels are left */
#define BLOCK 32                    /* steps between two looks */
#define UNROLL 8                    /* steps written out */
#define EXITS 256u                  /* counted together; a multiple of WIDTH */

struct flight {
    reals c_re[FLIGHT], c_im[FLIGHT], re[FLIGHT], im[FLIGHT];
    reals from_re[FLIGHT], from_im[FLIGHT]; /* where the block began */
    reals old_re[FLIGHT], old_im[FLIGHT];   /* where the orbit was some time ago */
    ints step[FLIGHT], renew[FLIGHT];       /* steps done; that at which old is to be set */
    int64_t pixel[FLIGHT][LANES];
    unsigned busy;
};

/* The lanes that escaped in a block are counted later, several vectors at a time. */
struct exits {
    unsigned count;
    double c_re[EXITS], c_im[EXITS], re[EXITS], im[EXITS];
    int64_t step[EXITS], pixel[EXITS];
};

/* What a flight goes through, and where it writes. */
struct route {
    struct list *list;
    uint32_t max_iter;
    bool shortcuts;
    uint16_t *counts;
    const atomic_bool *stop;
};

/* Every how many-th doubling is fused. Intel's units multiply or add; AMD's add in units of their own, which
 * an equal load keeps busiest. */
#define FUSE_ALL 1
#define FUSE_SOME 3

/* The next pixel of the list, or none: then z = c = 0, which stays where it is and is taken for nobody's. */
static void fill_lane(struct flight *f, unsigned k, unsigned lane, const struct route *route)
{
    struct list *list = route->list;
    bool more = list->next < list->count;
    unsigned at = list->next;

    f->c_re[k][lane] = more ? list->c_re[at] : 0.0;
    f->c_im[k][lane] = more ? list->c_im[at] : 0.0;
    f->re[k][lane] = more ? list->re[at] : 0.0;
    f->im[k][lane] = more ? list->im[at] : 0.0;
    f->old_re[k][lane] = f->old_im[k][lane] = NAN;
    f->renew[k][lane] = more && route->shortcuts ? 0 : INT64_MAX;
    f->step[k][lane] = more ? list->steps : INT64_MIN / 2;
    f->pixel[k][lane] = more ? list->pixel[at] : 0;
    if (more)
        list->next++;
    else
        f->busy--;
}

static inline void step_block(struct flight *f, const unsigned vectors, const unsigned fuse)
{
    reals re[FLIGHT], im[FLIGHT];

#pragma GCC unroll 8
    for (unsigned k = 0; k < vectors; k++) {
        re[k] = f->from_re[k] = f->re[k];
        im[k] = f->from_im[k] = f->im[k];
    }
    for (unsigned i = 0; i < BLOCK; i += UNROLL)
#pragma GCC unroll 8
        for (unsigned j = 0; j < UNROLL; j++)
#pragma GCC unroll 8
            for (unsigned k = 0; k < vectors; k++)
                step(&re[k], &im[k], f->c_re[k], f->c_im[k], (j + k) % fuse == 0);
#pragma GCC unroll 8
    for (unsigned k = 0; k < vectors; k++) {
        f->re[k] = re[k];
        f->im[k] = im[k];
        f->step[k] += BLOCK;
    }
}

/* Goes through their last block again and counts its steps. */
static void count_exits(struct exits *exits, const struct route *route)
{
    for (unsigned i = 0; i < exits->count; i += WIDTH) {
        unsigned pixels = exits->count - i < WIDTH ? exits->count - i : WIDTH;
        reals re[GROUP], im[GROUP];
        ints count[GROUP];

#pragma GCC unroll 4
        for (unsigned k = 0; k < GROUP; k++) {
            re[k] = load(&exits->re[i + k * LANES]);
            im[k] = load(&exits->im[i + k * LANES]);
            count[k] = load_ints(&exits->step[i + k * LANES]);
        }
        count_steps(&exits->c_re[i], &exits->c_im[i], BLOCK, re, im, count);
        write_counts(route->counts, &exits->pixel[i], count, pixels, route->max_iter);
    }
    exits->count = 0;
}

static void leave(struct flight *f, unsigned k, unsigned lane, struct exits *exits)
{
    unsigned at = exits->count++;

    exits->c_re[at] = f->c_re[k][lane];
    exits->c_im[at] = f->c_im[k][lane];
    exits->re[at] = f->from_re[k][lane];
    exits->im[at] = f->from_im[k][lane];
    exits->step[at] = f->step[k][lane] - BLOCK;
    exits->pixel[at] = f->pixel[k][lane];
}

/* Lanes that escaped; and those that never do, as all their steps are done or they stand where they stood. */
static inline void look(struct flight *f, const unsigned vectors, const struct route *route,
                        struct exits *exits)
{
    const ints most = all_ints(route->max_iter);
    mask in[FLIGHT], ended[FLIGHT], renew[FLIGHT], any = {0}, any_renew = {0};

#pragma GCC unroll 8
    for (unsigned k = 0; k < vectors; k++) {
        in[k] = at_most(f->re[k] * f->re[k] + f->im[k] * f->im[k], all_reals(4.0));
        ended[k] =
            at_least_ints(f->step[k], most) | (equal(f->re[k], f->old_re[k]) & equal(f->im[k], f->old_im[k]));
        renew[k] = at_least_ints(f->step[k], f->renew[k]);
        any |= ended[k] | ~in[k];
        any_renew |= renew[k];
    }
    if (bits_of(any_renew) != 0)
        for (unsigned k = 0; k < vectors; k++) {
            f->old_re[k] = select_reals(renew[k], f->re[k], f->old_re[k]);
            f->old_im[k] = select_reals(renew[k], f->im[k], f->old_im[k]);
            f->renew[k] = select_ints(renew[k], f->step[k] + (f->step[k] >> 1), f->renew[k]);
        }
    if (__builtin_expect(bits_of(any) == 0, 1))
        return;
    for (unsigned k = 0; k < vectors; k++)
        for (unsigned out = (~bits_of(in[k]) & ((1u << LANES) - 1)), bits = bits_of(ended[k]) | out;
             bits != 0; bits &= bits - 1) {
            unsigned lane = (unsigned)__builtin_ctz(bits);

            if (out >> lane & 1)
                leave(f, k, lane, exits);
            else
                route->counts[f->pixel[k][lane]] = (uint16_t)route->max_iter;
            fill_lane(f, k, lane, route);
        }
    if (exits->count > EXITS - FLIGHT * LANES)
        count_exits(exits, route);
}

/* Goes on until no more than so many lanes are busy. */
static inline bool fly_with(struct flight *f, const unsigned vectors, const unsigned fuse, unsigned until,
                            const struct route *route, struct exits *exits)
{
    while (f->busy > until) {
        step_block(f, vectors, fuse);
        look(f, vectors, route, exits);
        if (atomic_load_explicit(route->stop, memory_order_relaxed))
            return false;
    }
    return true;
}

/* Moves the busy lanes, for which the first vectors have room, to these. */
static void close_up(struct flight *f, const struct route *route)
{
    unsigned to = 0;

    for (unsigned from = 0; from < FLIGHT * LANES; from++) {
        unsigned k = from / LANES, lane = from % LANES, l = to / LANES, at = to % LANES;

        if (f->step[k][lane] < 0)
            continue;
        f->c_re[l][at] = f->c_re[k][lane];
        f->c_im[l][at] = f->c_im[k][lane];
        f->re[l][at] = f->re[k][lane];
        f->im[l][at] = f->im[k][lane];
        f->old_re[l][at] = f->old_re[k][lane];
        f->old_im[l][at] = f->old_im[k][lane];
        f->renew[l][at] = f->renew[k][lane];
        f->step[l][at] = f->step[k][lane];
        f->pixel[l][at] = f->pixel[k][lane];
        to++;
    }
    f->busy = TAIL * LANES;
    for (; to < TAIL * LANES; to++)
        fill_lane(f, to / LANES, to % LANES, route);
}

static inline bool fly_on(const struct route *route, const unsigned fuse)
{
    struct flight f = {.busy = FLIGHT * LANES};
    struct exits exits;

    exits.count = 0;
    for (unsigned k = 0; k < FLIGHT; k++)
        for (unsigned lane = 0; lane < LANES; lane++)
            fill_lane(&f, k, lane, route);
    if (!fly_with(&f, FLIGHT, fuse, TAIL * LANES, route, &exits))
        return false;
    close_up(&f, route);
    if (!fly_with(&f, TAIL, fuse, 0, route, &exits))
        return false;
    count_exits(&exits, route);
    return true;
}

/* Counts the pixels of the list, from its next on. */
APART static bool fly_fusing_all(const struct route *route)
{
    return fly_on(route, FUSE_ALL);
}

APART static bool fly_fusing_some(const struct route *route)
{
    return fly_on(route, FUSE_SOME);
}

static inline bool fly(const struct route *route)
{
#if defined __x86_64__
    if (__builtin_cpu_is("intel"))
        return fly_fusing_all(route);
#endif
    return fly_fusing_some(route);
}

#endif
