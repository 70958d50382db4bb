/*
 * The vector kernels: one source, compiled once for each instruction set with KERNEL, its name, and LANES,
 * the doubles in a vector. README.md beside it argues why each shortcut gives exactly the reference's counts.
 *
 * A strip of pixels goes through two stages. The first counts the first steps of all pixels, four vectors at
 * a time, since most that escape do so at once; it leaves out what lies inside the two largest components.
 * The pixels that are left go to a dense list, from which the second stage fills its lanes again as they
 * become free: there, eight steps are done between two looks at the escape, and an orbit that comes back to a
 * point where it was never escapes.
 */
#include <math.h>
#include <string.h>

#include "engine/kernel.h"

#if defined __x86_64__
#include <immintrin.h>
#endif

#define NAME_OF(prefix, name) prefix##name
#define EXPAND(prefix, name) NAME_OF(prefix, name)
#define STRING_OF(name) #name
#define TO_STRING(name) STRING_OF(name)

typedef double reals __attribute__((vector_size(LANES * 8)));
typedef int64_t ints __attribute__((vector_size(LANES * 8))); /* a mask's lanes are -1 or 0 */
typedef uint16_t halves __attribute__((vector_size(LANES * 2)));

#define STRIP 4096u
#define GROUP 4  /* vectors side by side in the first stage */
#define FLIGHT 4 /* and in the second: enough to hide the latency of a step */
#define FIRST 16 /* steps that the first stage counts */
#define BLOCK 8  /* steps between two looks at the escape */
#define BLOCKS 4 /* blocks between two looks at all else */
#define WIDTH (GROUP * LANES)
#define EXITS 256u /* counted together; a multiple of WIDTH */

/* Margins of the shortcuts: see README.md. */
#define CARDIOID_MARGIN (1.0 / 4096)
#define DISC_MARGIN (1.0 / 512)
#define NEARLY_FOUR (4.0 - 1e-12)

struct list {
    unsigned count, next;
    double c_re[STRIP], c_im[STRIP], re[STRIP], im[STRIP];
    uint16_t pixel[STRIP];
};

static inline unsigned bits_of(ints mask)
{
#if defined __AVX512F__ && LANES == 8
    return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask);
#elif defined __AVX__ && LANES == 4
    return (unsigned)_mm256_movemask_pd((__m256d)mask);
#elif defined __SSE2__ && LANES == 2
    return (unsigned)_mm_movemask_pd((__m128d)mask);
#else
    unsigned bits = 0;

    for (unsigned lane = 0; lane < LANES; lane++)
        bits |= (unsigned)(mask[lane] & 1) << lane;
    return bits;
#endif
}

static inline reals all(double value)
{
    return value - (reals){0};
}

static inline ints select_ints(ints mask, ints yes, ints no)
{
    return (mask & yes) | (~mask & no);
}

static inline reals load(const double *from)
{
    reals out;

    memcpy(&out, from, sizeof out);
    return out;
}

/* ---- The first stage ---- */

/* Deep enough in the cardioid or the disc of period two that the orbit cannot escape. */
static inline ints is_inside(reals c_re, reals c_im)
{
    const double keep = 1.0 - CARDIOID_MARGIN, t = 1.0 - keep * keep, disc = (1.0 - DISC_MARGIN) / 4.0;
    reals c_im2 = c_im * c_im;
    reals u = 1.0 - 4.0 * c_re;
    reals s = u * u + 16.0 * c_im2;
    reals l = s - 2.0 * u + t * t;
    reals from_disc = c_re + 1.0;

    return (l <= 0.0) | (l * l <= 4.0 * (1.0 - t) * (1.0 - t) * s) |
           (from_disc * from_disc + c_im2 <= disc * disc);
}

struct group {
    reals c_re[GROUP], c_im[GROUP], re[GROUP], im[GROUP];
    ints alive[GROUP], count[GROUP], inside[GROUP];
};

static inline unsigned alive_bits(const struct group *g)
{
    ints any = g->alive[0];

    for (unsigned k = 1; k < GROUP; k++)
        any |= g->alive[k];
    return bits_of(any);
}

/* Counts the steps from z = c on until each lane's escape, at most FIRST of them. */
static inline void count_first(struct group *g)
{
    for (unsigned step = 0; step < FIRST; step += 4) {
        if (alive_bits(g) == 0)
            return;
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (unsigned k = 0; k < GROUP; k++) {
                reals re2 = g->re[k] * g->re[k], im2 = g->im[k] * g->im[k];

                g->alive[k] &= re2 + im2 <= 4.0;
                g->count[k] -= g->alive[k];
                g->im[k] = (g->re[k] + g->re[k]) * g->im[k] + g->c_im[k];
                g->re[k] = (re2 - im2) + g->c_re[k];
            }
    }
}

/* The pixels of the group that are still at it go to the list, but for those near |c| = 2, done here. */
static void keep_alive(const struct group *g, unsigned k, unsigned pixel, uint32_t max_iter,
                       struct list *list, uint16_t *counts)
{
    unsigned bits = bits_of(g->alive[k]);
    unsigned near = bits & bits_of(g->c_re[k] * g->c_re[k] + g->c_im[k] * g->c_im[k] > NEARLY_FOUR);

    for (; near != 0; near &= near - 1) {
        unsigned lane = (unsigned)__builtin_ctz(near);

        counts[pixel + lane] = kernel_escape_count(g->c_re[k][lane], g->c_im[k][lane], max_iter);
        bits &= ~(1u << lane);
    }
    for (; bits != 0; bits &= bits - 1) {
        unsigned lane = (unsigned)__builtin_ctz(bits), at = list->count++;

        list->c_re[at] = g->c_re[k][lane];
        list->c_im[at] = g->c_im[k][lane];
        list->re[at] = g->re[k][lane];
        list->im[at] = g->im[k][lane];
        list->pixel[at] = (uint16_t)(pixel + lane);
    }
}

static inline void first_stage(const double *c_re, const double *c_im, unsigned pixels, uint32_t max_iter,
                               bool shortcuts, struct list *list, uint16_t *counts)
{
    const ints most = (int64_t)max_iter - (ints){0};

    for (unsigned pixel = 0; pixel < pixels; pixel += WIDTH) {
        struct group g;

        for (unsigned k = 0; k < GROUP; k++) {
            g.c_re[k] = g.re[k] = load(&c_re[pixel + k * LANES]);
            g.c_im[k] = g.im[k] = load(&c_im[pixel + k * LANES]);
            g.inside[k] = shortcuts ? is_inside(g.c_re[k], g.c_im[k]) : (ints){0};
            g.alive[k] = ~g.inside[k];
            g.count[k] = 1 - (ints){0};
        }
        count_first(&g);
        for (unsigned k = 0; k < GROUP; k++) {
            ints count = select_ints(g.inside[k] | (g.count[k] > most), most, g.count[k]);
            halves out = __builtin_convertvector(count, halves);

            memcpy(&counts[pixel + k * LANES], &out, sizeof out);
            if (max_iter > FIRST)
                keep_alive(&g, k, pixel + k * LANES, max_iter, list, counts);
        }
    }
}

/* ---- The second stage ---- */

struct flight {
    reals c_re[FLIGHT], c_im[FLIGHT], re[FLIGHT], im[FLIGHT];
    reals from_re[FLIGHT], from_im[FLIGHT]; /* where the block began */
    reals old_re[FLIGHT], old_im[FLIGHT];   /* where the orbit was some time ago */
    ints step[FLIGHT], age[FLIGHT];         /* steps done; looks since the lane was filled */
    uint16_t pixel[FLIGHT][LANES];
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
    f->step[k][lane] = more ? FIRST + 1 : INT64_MIN / 2;
    f->pixel[k][lane] = more ? list->pixel[at] : 0;
    if (more)
        list->next++;
    else
        f->busy--;
}

static inline void step_block(struct flight *f)
{
    reals re[FLIGHT], im[FLIGHT];

    for (unsigned k = 0; k < FLIGHT; k++) {
        re[k] = f->from_re[k] = f->re[k];
        im[k] = f->from_im[k] = f->im[k];
    }
#pragma GCC unroll 8
    for (unsigned i = 0; i < BLOCK; i++)
#pragma GCC unroll 4
        for (unsigned k = 0; k < FLIGHT; k++) {
            reals re2 = re[k] * re[k], im2 = im[k] * im[k];

            im[k] = (re[k] + re[k]) * im[k] + f->c_im[k];
            re[k] = (re2 - im2) + f->c_re[k];
        }
    for (unsigned k = 0; k < FLIGHT; k++) {
        f->re[k] = re[k];
        f->im[k] = im[k];
    }
}

/* The lanes that escaped in a block are counted later, several vectors at a time. */
struct exits {
    unsigned count;
    double c_re[EXITS], c_im[EXITS], re[EXITS], im[EXITS];
    int64_t step[EXITS];
    uint16_t pixel[EXITS];
};

/* Goes through their last block again and counts its steps. */
static void count_exits(struct exits *exits, uint32_t max_iter, uint16_t *counts)
{
    for (unsigned first = 0; first < exits->count; first += WIDTH) {
        reals re[GROUP], im[GROUP], c_re[GROUP], c_im[GROUP];
        ints alive[GROUP], step[GROUP];

        for (unsigned k = 0; k < GROUP; k++) {
            re[k] = load(&exits->re[first + k * LANES]);
            im[k] = load(&exits->im[first + k * LANES]);
            c_re[k] = load(&exits->c_re[first + k * LANES]);
            c_im[k] = load(&exits->c_im[first + k * LANES]);
            memcpy(&step[k], &exits->step[first + k * LANES], sizeof step[k]);
            alive[k] = ~(ints){0};
        }
        for (unsigned i = 0; i < BLOCK; i++)
#pragma GCC unroll 4
            for (unsigned k = 0; k < GROUP; k++) {
                reals re2 = re[k] * re[k], im2 = im[k] * im[k];

                alive[k] &= re2 + im2 <= 4.0;
                step[k] -= alive[k];
                im[k] = (re[k] + re[k]) * im[k] + c_im[k];
                re[k] = (re2 - im2) + c_re[k];
            }
        memcpy(&exits->step[first], step, sizeof step);
    }
    for (unsigned i = 0; i < exits->count; i++)
        counts[exits->pixel[i]] =
            (uint16_t)(exits->step[i] < (int64_t)max_iter ? exits->step[i] : (int64_t)max_iter);
    exits->count = 0;
}

static inline void look_for_escapes(struct flight *f, struct list *list, struct exits *exits)
{
    ints escaped[FLIGHT], any = {0};

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

static inline bool second_stage(uint32_t max_iter, bool shortcuts, struct list *list, uint16_t *counts,
                                const atomic_bool *stop)
{
    struct flight f = {.busy = FLIGHT * LANES};
    struct exits exits;

    exits.count = 0;

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

/* ---- Strips ---- */

/* The points of a strip that begins with the given pixel of the block and goes through it row by row. */
static void lay_out(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, size_t first,
                    unsigned pixels, double *c_re, double *c_im)
{
    uint32_t row = (uint32_t)(first / columns), column = (uint32_t)(first % columns);

    for (unsigned i = 0; i < pixels; row++, column = 0) {
        double im = ((double)(y + row) / plane->height) * plane->im_span + plane->im_min;
        unsigned end = columns - column < pixels - i ? i + columns - column : pixels;

        if (i >= columns) { /* the same columns as in the row above */
            memcpy(&c_re[i], &c_re[i - columns], (end - i) * sizeof *c_re);
        } else {
            for (unsigned k = i; k < end; k++)
                c_re[k] = ((double)(x + column + (k - i)) / plane->width) * plane->re_span + plane->re_min;
        }
        for (; i < end; i++)
            c_im[i] = im;
    }
}

static inline bool compute_strips(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns,
                                  uint32_t rows, uint16_t *counts, const atomic_bool *stop, bool shortcuts)
{
    size_t all_pixels = (size_t)columns * rows;
    double c_re[STRIP], c_im[STRIP];
    uint16_t strip[STRIP];
    struct list list;

    for (size_t first = 0; first < all_pixels; first += STRIP) {
        unsigned pixels = (unsigned)(all_pixels - first < STRIP ? all_pixels - first : STRIP);
        unsigned padded = (pixels + WIDTH - 1) / WIDTH * WIDTH;

        if (atomic_load_explicit(stop, memory_order_relaxed))
            return false;
        lay_out(plane, x, y, columns, first, pixels, c_re, c_im);
        for (unsigned i = pixels; i < padded; i++) {
            c_re[i] = 4.0; /* escapes at once */
            c_im[i] = 0.0;
        }
        list.count = list.next = 0;
        first_stage(c_re, c_im, padded, plane->max_iter, shortcuts, &list, strip);
        if (list.count != 0 && !second_stage(plane->max_iter, shortcuts, &list, strip, stop))
            return false;
        memcpy(&counts[first], strip, pixels * sizeof *strip);
    }
    return true;
}

static bool compute(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                    uint16_t *counts, const atomic_bool *stop)
{
    return compute_strips(plane, x, y, columns, rows, counts, stop, true);
}

static bool compute_plain(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                          uint16_t *counts, const atomic_bool *stop)
{
    return compute_strips(plane, x, y, columns, rows, counts, stop, false);
}

#if defined __x86_64__
static bool supported(void)
{
    return __builtin_cpu_supports(SUPPORTED);
}
#define IS_SUPPORTED supported
#else
#define IS_SUPPORTED NULL
#endif

extern const struct kernel EXPAND(kernel_, KERNEL);
const struct kernel EXPAND(kernel_, KERNEL) = {
    .name = TO_STRING(KERNEL), .compute = compute, .plain = compute_plain, .supported = IS_SUPPORTED};
