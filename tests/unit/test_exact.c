/* Every kernel against the reference, on random ground and on the hardest. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/kernel.h"
#include "image.h"
#include "suite.h"

#define MOST_PIXELS 9000
/* The reference's steps that one test may take: a few seconds. */
#define STEPS 600000000.0

static uint64_t state;

/* splitmix64: https://prng.di.unimi.it/splitmix64.c */
static uint64_t random_bits(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double random_real(double from, double to)
{
    return from + (to - from) * (double)(random_bits() >> 11) * 0x1p-53;
}

static uint32_t random_number(uint32_t from, uint32_t to)
{
    return from + (uint32_t)(random_bits() % (to - from + 1));
}

/* A plane of a few pixels around a point, from the whole set down to where doubles end. */
static struct plane around(double re, double im, double span)
{
    struct plane plane = {.width = random_number(1, 40), .height = random_number(1, 12), .re_span = span};

    plane.im_span = span * random_real(0.3, 3);
    plane.re_min = re - plane.re_span / 2;
    plane.im_min = im - plane.im_span / 2;
    plane.max_iter = random_number(0, 9) == 0 ? random_number(1, 65535) : random_number(1, 600);
    return plane;
}

static void report(const struct kernel *kernel, const struct plane *plane, uint32_t x, uint32_t y,
                   unsigned got, unsigned expected)
{
    ck_abort_msg("%s: pixel %u, %u of %u x %u at %u, region %a,%a,%a,%a: %u, not %u", kernel->name, x, y,
                 plane->width, plane->height, plane->max_iter, plane->re_min, plane->im_min, plane->re_span,
                 plane->im_span, got, expected);
}

/* A block of the plane by every kernel. Returns the reference's steps. */
static uint64_t compare(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows)
{
    static uint16_t expected[MOST_PIXELS], got[MOST_PIXELS + 1];
    const struct kernel *kernel;
    const atomic_bool stop = false;
    size_t pixels = (size_t)columns * rows;

    ck_assert(kernel_scalar.compute(plane, x, y, columns, rows, expected, &stop));
    for (size_t i = 0; (kernel = kernel_at(i)) != &kernel_scalar; i++) {
        kernel_fn *const variants[] = {kernel->compute, kernel->plain};

        for (size_t v = 0; v < 2; v++) {
            memset(got, 0xee, sizeof got);
            ck_assert(variants[v](plane, x, y, columns, rows, got, &stop));
            ck_assert_uint_eq(got[pixels], 0xeeee);
            for (size_t p = 0; p < pixels; p++)
                if (got[p] != expected[p])
                    report(kernel, plane, x + (uint32_t)(p % columns), y + (uint32_t)(p / columns), got[p],
                           expected[p]);
        }
    }
    return image_sum(expected, pixels);
}

static uint64_t compare_all(const struct plane *plane)
{
    return compare(plane, 0, 0, plane->width, plane->height);
}

START_TEST(random_blocks_of_random_planes)
{
    double steps = 0;

    state = (uint64_t)_i;
    for (int n = 0; n < 2000 && steps < STEPS; n++) {
        struct plane plane = {.re_min = random_real(-2.6, 0.8), .im_min = random_real(-1.6, 1.4)};
        double span = pow(10, random_real(-3, 0.7));
        uint32_t columns, rows, x, y;

        plane.re_span = span;
        plane.im_span = span * random_real(0.5, 2);
        plane.width = random_number(1, 300);
        plane.height = random_number(1, 300);
        plane.max_iter = random_number(0, 20) == 0 ? random_number(1, 20000) : random_number(1, 400);
        columns = random_number(1, plane.width < 90 ? plane.width : 90);
        rows = random_number(1, plane.height < 100 ? plane.height : 100);
        x = random_number(0, plane.width - columns);
        y = random_number(0, plane.height - rows);
        steps += (double)compare(&plane, x, y, columns, rows);
    }
}
END_TEST

/* Around c = (1 - distance) of a point on a component's border, on both of its sides. */
static double near_border(double re, double im, double centre_re)
{
    double distance = pow(10, random_real(-17, -1)) * (random_number(0, 1) == 0 ? 1 : -1);
    struct plane plane = around(centre_re + (re - centre_re) * (1 - distance), im * (1 - distance),
                                pow(10, random_real(-17, -1)));

    return (double)compare_all(&plane);
}

START_TEST(the_borders_of_the_two_large_components)
{
    double steps = 0;

    state = (uint64_t)_i + 100;
    for (int n = 0; n < 1500 && steps < STEPS; n++) {
        double angle = random_real(0, 2 * M_PI);

        if (n % 2 == 0)
            steps += near_border(cos(angle) / 2 - cos(2 * angle) / 4, sin(angle) / 2 - sin(2 * angle) / 4, 0);
        else
            steps += near_border(-1 + cos(angle) / 4, sin(angle) / 4, -1);
    }
}
END_TEST

/* The cusp, the point between the two, the period-three point, the tip, the spike, and where orbits take
 * longest. */
START_TEST(special_points)
{
    static const double points[][2] = {{0.25, 0},
                                       {-0.75, 0},
                                       {-1.25, 0},
                                       {-2, 0},
                                       {-1.401155189, 0},
                                       {-1.7548, 0},
                                       {-1.99, 0},
                                       {0, 1},
                                       {-0.125, 0.64952},
                                       {0, 0},
                                       {-1, 0},
                                       {0.3, 0.02},
                                       {2, 0},
                                       {0, 2},
                                       {-1.4142135623730951, 1.4142135623730951}};
    double steps = 0;

    state = (uint64_t)_i + 200;
    for (int n = 0; n < 1200 && steps < STEPS; n++) {
        const double *point = points[random_number(0, sizeof points / sizeof *points - 1)];
        struct plane plane = around(point[0], point[1], pow(10, random_real(-17, 0)));

        steps += (double)compare_all(&plane);
    }
}
END_TEST

/* Points of modulus 2, give or take: there, an orbit may come back from outside the radius. */
START_TEST(both_sides_of_the_escape_radius)
{
    double steps = 0;

    state = (uint64_t)_i + 300;
    for (int n = 0; n < 3000 && steps < STEPS; n++) {
        double angle = n % 3 == 0 ? M_PI : random_real(0, 2 * M_PI);
        double radius = 2 + pow(10, random_real(-17, -1)) * (random_number(0, 1) == 0 ? 1 : -1);
        struct plane plane = around(radius * cos(angle), radius * sin(angle), pow(10, random_real(-17, -2)));

        steps += (double)compare_all(&plane);
    }
}
END_TEST

/* Up to where c itself is infinite, and down to where it is denormal. */
START_TEST(all_that_doubles_can_say)
{
    double steps = 0;

    state = 400;
    for (int n = 0; n < 4000 && steps < STEPS; n++) {
        double re = pow(10, random_real(-323, 308)) * (random_number(0, 1) == 0 ? 1 : -1);
        struct plane plane = around(re, pow(10, random_real(-323, 308)), pow(10, random_real(-323, 308)));

        if (n % 4 == 0)
            plane.im_span = pow(10, random_real(-323, 308));
        if (!isfinite(plane.im_span))
            plane.im_span = DBL_MAX;
        plane.re_min = fmax(plane.re_min, -DBL_MAX);
        plane.im_min = fmax(plane.im_min, -DBL_MAX);
        steps += (double)compare_all(&plane);
    }
}
END_TEST

/* So near the real axis that re * im is denormal, and followed until that shows in the counts: mostly where
 * few bits are left. Denormals are slow. */
START_TEST(beside_the_real_axis)
{
    double steps = 0;

    state = 500;
    for (int n = 0; n < 300 && steps < STEPS; n++) {
        double span = pow(10, random_real(-323, n % 3 == 0 ? -290 : -319));
        struct plane plane = {
            .re_min = -2, .re_span = 0.6, .im_min = n % 2 == 0 ? 0 : -span, .im_span = span};

        plane.width = random_number(10, 40);
        plane.height = random_number(2, 10);
        plane.max_iter = random_number(2000, 6000);
        steps += (double)compare_all(&plane);
    }
}
END_TEST

START_TEST(deep_inside_nothing_escapes_at_the_highest_max_iter)
{
    struct plane plane = {.re_min = _i == 0 ? -0.3 : -1.15, .im_min = -0.1, .re_span = 0.3, .im_span = 0.2};

    plane.width = plane.height = 40;
    plane.max_iter = 65535;
    ck_assert_uint_eq(compare_all(&plane), 1600ull * 65535);
}
END_TEST

/* A kernel may do its steps in portions: each portion's end is somewhere. */
START_TEST(every_small_max_iter)
{
    struct plane plane = image_plane(100, 80, 1);

    for (; plane.max_iter <= 150; plane.max_iter++)
        (void)compare_all(&plane);
}
END_TEST

START_TEST(a_stop_is_seen)
{
    const struct kernel *kernel = kernel_at((size_t)_i);
    struct plane plane = image_plane(64, 64, 65535);
    uint16_t counts[64 * 64];
    atomic_bool stop = true;

    ck_assert(!kernel->compute(&plane, 0, 0, 64, 64, counts, &stop));
    ck_assert(!kernel->plain(&plane, 0, 0, 64, 64, counts, &stop));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("exact");
    int kernels = 0;

    while (kernel_at((size_t)kernels) != NULL)
        kernels++;
    tcase_set_timeout(tests, 240);
    tcase_add_loop_test(tests, random_blocks_of_random_planes, 0, 4);
    tcase_add_loop_test(tests, the_borders_of_the_two_large_components, 0, 2);
    tcase_add_loop_test(tests, special_points, 0, 2);
    tcase_add_test(tests, both_sides_of_the_escape_radius);
    tcase_add_test(tests, all_that_doubles_can_say);
    tcase_add_test(tests, beside_the_real_axis);
    tcase_add_loop_test(tests, deep_inside_nothing_escapes_at_the_highest_max_iter, 0, 2);
    tcase_add_test(tests, every_small_max_iter);
    tcase_add_loop_test(tests, a_stop_is_seen, 0, kernels);
    return suite_run("exact", tests);
}
