#ifndef TILERY_ENGINE_KERNEL_LANES_H
#define TILERY_ENGINE_KERNEL_LANES_H

/*
 * Vectors of LANES doubles, for kernel_vector.c: GCC's vector extensions, and the few things that they cannot
 * say or compilers do not see.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#endif

/* A loop in a function of its own: inlined beside others, it spills what it should keep in registers. */
#define APART __attribute__((noinline))

typedef double reals __attribute__((vector_size(LANES * 8)));
typedef int64_t ints __attribute__((vector_size(LANES * 8)));
typedef uint16_t halves __attribute__((vector_size(LANES * 2)));

/* Which lanes: a bit for each in a register of its own, or lanes that are -1 or 0. */
#if defined __AVX512F__ && LANES == 8
#define MASKS 1
typedef __mmask8 mask;
#else
#define MASKS 0
typedef ints mask;
#endif

static inline reals load(const double *from)
{
    reals out;

    memcpy(&out, from, sizeof out);
    return out;
}

static inline void store(double *to, reals value)
{
    memcpy(to, &value, sizeof value);
}

static inline ints load_ints(const int64_t *from)
{
    ints out;

    memcpy(&out, from, sizeof out);
    return out;
}

static inline reals all_reals(double value)
{
    return value - (reals){0};
}

static inline ints all_ints(int64_t value)
{
    return value - (ints){0};
}

/* 0, 1, 2 and so on. */
static inline ints lane_numbers(void)
{
    ints out;

    for (int lane = 0; lane < LANES; lane++)
        out[lane] = lane;
    return out;
}

static inline mask at_most(reals a, reals b)
{
#if MASKS
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ);
#else
    return a <= b;
#endif
}

static inline mask below(reals a, reals b)
{
#if MASKS
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ);
#else
    return a < b;
#endif
}

static inline mask equal(reals a, reals b)
{
#if MASKS
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ);
#else
    return a == b;
#endif
}

static inline mask equal_ints(ints a, ints b)
{
#if MASKS
    return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b);
#else
    return a == b;
#endif
}

static inline mask at_least_ints(ints a, ints b)
{
#if MASKS
    return _mm512_cmpge_epi64_mask((__m512i)a, (__m512i)b);
#else
    return a >= b;
#endif
}

/* a where it is at most b, else b. */
static inline ints least_ints(ints a, ints b)
{
#if MASKS
    return (ints)_mm512_min_epi64((__m512i)a, (__m512i)b);
#else
    return ((a < b) & a) | (~(a < b) & b);
#endif
}

static inline ints select_ints(mask in, ints yes, ints no)
{
#if MASKS
    return (ints)_mm512_mask_mov_epi64((__m512i)no, in, (__m512i)yes);
#else
    return (in & yes) | (~in & no);
#endif
}

static inline reals select_reals(mask in, reals yes, reals no)
{
    return (reals)select_ints(in, (ints)yes, (ints)no);
}

/* One more in the lanes of a mask. */
static inline ints count_in(ints count, mask in)
{
#if MASKS
    return (ints)_mm512_mask_sub_epi64((__m512i)count, in, (__m512i)count, _mm512_set1_epi64(-1));
#else
    return count - in;
#endif
}

/*
 * 2 * a * b + c in the reference's rounding. Where there is a fused multiply-add, it may take the doubling: a
 * * b is rounded, and 2 * that is exact, so that both ways round the same product and the same sum. README.md
 * says when the product must not be tiny.
 */
static inline reals twice_product(reals a, reals b, reals c, bool fuse)
{
#if MASKS
    if (fuse)
        return (reals)_mm512_fmadd_pd((__m512d)(a * b), (__m512d)all_reals(2.0), (__m512d)c);
#elif defined __FMA__ && LANES == 4
    if (fuse)
        return (reals)_mm256_fmadd_pd((__m256d)(a * b), (__m256d)all_reals(2.0), (__m256d)c);
#else
    (void)fuse;
#endif
    return (a + a) * b + c;
}

/* z -> z*z + c. */
static inline void step(reals *re, reals *im, reals c_re, reals c_im, bool fuse)
{
    reals re2 = *re * *re, im2 = *im * *im;

    *im = twice_product(*re, *im, c_im, fuse);
    *re = (re2 - im2) + c_re;
}

/* A bit for each lane of a mask. */
static inline unsigned bits_of(mask in)
{
#if MASKS
    return in;
#elif defined __AVX__ && LANES == 4
    return (unsigned)_mm256_movemask_pd((__m256d)in);
#elif defined __SSE2__ && LANES == 2
    return (unsigned)_mm_movemask_pd((__m128d)in);
#else
    unsigned bits = 0;

    for (unsigned lane = 0; lane < LANES; lane++)
        bits |= (unsigned)(in[lane] & 1) << lane;
    return bits;
#endif
}

/* Writes the lanes that have their bit set side by side; what follows them, up to LANES in all, is anything.
 */
static inline void store_some(void *to, ints value, unsigned bits)
{
#if MASKS
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi64((__mmask8)bits, (__m512i)value));
#elif defined __AVX2__ && LANES == 4
#define FROM(a, b, c, d)                                                       \
    {                                                                          \
        2 * a, 2 * a + 1, 2 * b, 2 * b + 1, 2 * c, 2 * c + 1, 2 * d, 2 * d + 1 \
    }
    static const int32_t from[16][8] = {
        FROM(0, 0, 0, 0), FROM(0, 0, 0, 0), FROM(1, 0, 0, 0), FROM(0, 1, 0, 0),
        FROM(2, 0, 0, 0), FROM(0, 2, 0, 0), FROM(1, 2, 0, 0), FROM(0, 1, 2, 0),
        FROM(3, 0, 0, 0), FROM(0, 3, 0, 0), FROM(1, 3, 0, 0), FROM(0, 1, 3, 0),
        FROM(2, 3, 0, 0), FROM(0, 2, 3, 0), FROM(1, 2, 3, 0), FROM(0, 1, 2, 3)};
#undef FROM
    __m256i order = _mm256_loadu_si256((const __m256i *)(const void *)from[bits]);

    _mm256_storeu_si256(to, _mm256_permutevar8x32_epi32((__m256i)value, order));
#else
    for (unsigned lane = 0, count = 0; lane < LANES; count += bits >> lane & 1, lane++)
        memcpy((char *)to + count * sizeof value[0], (const char *)&value + lane * sizeof value[0],
               sizeof value[0]);
#endif
}

#endif
