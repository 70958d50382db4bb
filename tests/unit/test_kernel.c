#include "engine/kernel.h"

#include <inttypes.h>
#include <string.h>

#include "image.h"
#include "suite.h"

#define VECTORS 20

struct vector {
    struct plane plane;
    uint64_t sum, hash;
};

static int kernel_count(void)
{
    int count = 0;

    while (kernel_at((size_t)count) != NULL)
        count++;
    return count;
}

/* Fills in all vectors; fails when there are more or fewer. */
static void read_vectors(struct vector *vectors)
{
    FILE *file = suite_vectors("kernel_vectors.csv");
    unsigned width, height, max_iter;
    uint64_t sum, hash;
    int n = 0;

    while (fscanf(file, "%u,%u,%u,%" SCNu64 ",%" SCNx64, &width, &height, &max_iter, &sum, &hash) == 5) {
        ck_assert_int_lt(n, VECTORS);
        vectors[n++] = (struct vector){image_plane(width, height, max_iter), sum, hash};
    }
    ck_assert(feof(file));
    fclose(file);
    ck_assert_int_eq(n, VECTORS);
}

static void check_image(const char *how, const struct vector *vector, const uint16_t *counts)
{
    size_t pixels = (size_t)vector->plane.width * vector->plane.height;
    uint64_t sum = image_sum(counts, pixels), hash = image_hash(counts, pixels);

    ck_assert_msg(sum == vector->sum && hash == vector->hash,
                  "%s %ux%u at %u: sum %" PRIu64 ", hash %016" PRIx64 "; expected %" PRIu64 ", %016" PRIx64,
                  how, vector->plane.width, vector->plane.height, vector->plane.max_iter, sum, hash,
                  vector->sum, vector->hash);
}

START_TEST(every_kernel_gives_the_reference_s_counts)
{
    const struct kernel *kernel = kernel_at((size_t)_i / VECTORS);
    struct vector vectors[VECTORS];
    uint16_t *counts;

    read_vectors(vectors);
    counts = image_compute(kernel, &vectors[_i % VECTORS].plane);
    check_image(kernel->name, &vectors[_i % VECTORS], counts);
    free(counts);
}
END_TEST

START_TEST(every_kernel_gives_the_small_image_in_full)
{
    struct plane plane = image_plane(16, 12, 50);
    uint16_t *counts = image_compute(kernel_at((size_t)_i), &plane);
    FILE *file = suite_vectors("kernel_16x12_50.txt");
    unsigned expected;

    for (size_t pixel = 0; pixel < 16 * 12; pixel++) {
        ck_assert_int_eq(fscanf(file, "%u", &expected), 1);
        ck_assert_uint_eq(counts[pixel], expected);
    }
    ck_assert_int_eq(fscanf(file, "%u", &expected), EOF);
    fclose(file);
    free(counts);
}
END_TEST

static void check_tiling(const struct kernel *kernel, const struct vector *vector, uint32_t tile_w,
                         uint32_t tile_h)
{
    const struct plane *plane = &vector->plane;
    struct image image = {calloc((size_t)plane->width * plane->height, sizeof(uint16_t)), plane->width};
    struct run_sink sink = image_sink(&image);
    struct run_spec spec = image_spec(*plane, tile_w, tile_h, 3);

    ck_assert_ptr_nonnull(image.counts);
    spec.kernel = kernel;
    run_free(image_run(&spec, &sink));
    check_image("tiled", vector, image.counts);
    free(image.counts);
}

/* Narrow, flat, odd, larger than the blocks of a run, and larger than the image. */
START_TEST(every_tiling_gives_the_same_counts)
{
    static const uint32_t sizes[][2] = {{1, 7}, {97, 1}, {13, 11}, {61, 73}, {5, 4096}, {65536, 65536}};
    struct vector vectors[VECTORS];

    read_vectors(vectors);
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++)
        for (size_t n = 0; n < VECTORS; n++)
            if (vectors[n].sum < 10000000)
                check_tiling(kernel_at((size_t)_i), &vectors[n], sizes[size][0], sizes[size][1]);
}
END_TEST

START_TEST(a_tile_s_block_is_cut_at_a_high_max_iter)
{
    struct vector vectors[VECTORS];

    read_vectors(vectors);
    check_tiling(kernel_at((size_t)_i), &vectors[14], 31,
                 113); /* 127x113 at 65,535: blocks narrower than a row */
}
END_TEST

START_TEST(kernels_are_found_by_name)
{
    for (size_t i = 0; kernel_at(i) != NULL; i++)
        ck_assert_ptr_eq(kernel_find(kernel_at(i)->name), kernel_at(i));
    ck_assert_ptr_eq(kernel_find("auto"), kernel_at(0));
    ck_assert_ptr_eq(kernel_find("scalar"), &kernel_scalar);
}
END_TEST

START_TEST(an_unknown_kernel_is_not_found)
{
    ck_assert_ptr_null(kernel_find(""));
    ck_assert_ptr_null(kernel_find("Scalar"));
    ck_assert_ptr_null(kernel_find("scalar "));
    ck_assert_ptr_null(kernel_at((size_t)kernel_count()));
    ck_assert_ptr_null(kernel_at(SIZE_MAX));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("kernel");
    int kernels = kernel_count();

    tcase_set_timeout(tests, 120); /* the last vector alone is four thousand million steps */
    tcase_add_loop_test(tests, every_kernel_gives_the_reference_s_counts, 0, kernels * VECTORS);
    tcase_add_loop_test(tests, every_kernel_gives_the_small_image_in_full, 0, kernels);
    tcase_add_loop_test(tests, every_tiling_gives_the_same_counts, 0, kernels);
    tcase_add_loop_test(tests, a_tile_s_block_is_cut_at_a_high_max_iter, 0, kernels);
    tcase_add_test(tests, kernels_are_found_by_name);
    tcase_add_test(tests, an_unknown_kernel_is_not_found);
    return suite_run("kernel", tests);
}
