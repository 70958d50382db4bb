#ifndef TILERY_ENGINE_KERNEL_LANES_H
#define TILERY_ENGINE_KERNEL_LANES_H

/*
 * Vectors of LANES doubles, for kernel_vector.c: GCC's vector extensions, and the few things that they cannot
 * say or compilers do not see.
 */
#include <stdint.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#endif

/* A loop in a function of its own: inlined beside others, it spills what it should keep in registers. */
#define APART __attribute__((noinline))

typedef double reals __attribute__((vector_size(LANES * 8)));
typedef int64_t ints __attribute__((vector_size(LANES * 8))); /* a mask's lanes are -1 or 0 */
typedef uint16_t halves __attribute__((vector_size(LANES * 2)));

static inline reals load(const double *from)
{
    reals out;

    memcpy(&out, from, sizeof out);
    return out;
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

static inline ints select_ints(ints mask, ints yes, ints no)
{
    return (mask & yes) | (~mask & no);
}

/* A bit for each lane of a mask. */
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

/* Writes the lanes that have their bit set side by side; what follows them, up to LANES in all, is anything.
 */
static inline void store_some(void *to, ints value, unsigned bits)
{
#if defined __AVX512F__ && LANES == 8
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
