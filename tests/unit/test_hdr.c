#include "hdr.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

static struct hdr *new_hdr(void)
{
    struct hdr *hdr = calloc(1, sizeof *hdr);

    ck_assert_ptr_nonnull(hdr);
    return hdr;
}

START_TEST(an_empty_one_has_no_percentile)
{
    struct hdr *hdr = new_hdr();

    ck_assert_uint_eq(hdr_percentile(hdr, 50), 0);
    ck_assert_uint_eq(hdr_percentile(hdr, 100), 0);
    free(hdr);
}
END_TEST

/* Around every power of two, where buckets begin, to the largest value there is. */
START_TEST(a_value_is_known_to_a_thousandth_and_never_too_small)
{
    struct hdr *hdr = new_hdr();

    for (unsigned bit = 0; bit < 64; bit++)
        for (uint64_t off = 0; off < 5; off++) {
            uint64_t value = (UINT64_C(1) << bit) + off - 2, found;

            if (bit < 2 && off < 2)
                continue;
            memset(hdr, 0, sizeof *hdr);
            hdr_add(hdr, value);
            hdr_add(hdr, UINT64_MAX); /* or the largest one met would be the answer */
            found = hdr_percentile(hdr, 50);
            ck_assert_uint_ge(found, value);
            ck_assert_uint_le(found - value, value / 1000);
        }
    free(hdr);
}
END_TEST

START_TEST(small_values_are_exact)
{
    struct hdr *hdr = new_hdr();

    for (uint64_t value = 1; value <= 1000; value++)
        hdr_add(hdr, value);
    ck_assert_uint_eq(hdr_percentile(hdr, 0.1), 1);
    ck_assert_uint_eq(hdr_percentile(hdr, 50), 500);
    ck_assert_uint_eq(hdr_percentile(hdr, 90), 900);
    ck_assert_uint_eq(hdr_percentile(hdr, 99), 990);
    ck_assert_uint_eq(hdr_percentile(hdr, 99.9), 999);
    ck_assert_uint_eq(hdr_percentile(hdr, 99.91), 1000);
    ck_assert_uint_eq(hdr_percentile(hdr, 100), 1000);
    free(hdr);
}
END_TEST

START_TEST(one_slow_call_among_a_thousand_is_the_largest_and_no_more)
{
    struct hdr *hdr = new_hdr();

    for (unsigned i = 0; i < 999; i++)
        hdr_add(hdr, 1000000);
    hdr_add(hdr, 5000000001);
    ck_assert_uint_le(hdr_percentile(hdr, 99.9), 1001000);
    ck_assert_uint_eq(hdr_percentile(hdr, 100), 5000000001);
    ck_assert_uint_eq(hdr->max, 5000000001);
    ck_assert_uint_eq(hdr->count, 1000);
    free(hdr);
}
END_TEST

START_TEST(zero_and_the_largest_value_are_values)
{
    struct hdr *hdr = new_hdr();

    hdr_add(hdr, 0);
    ck_assert_uint_eq(hdr_percentile(hdr, 100), 0);
    hdr_add(hdr, UINT64_MAX);
    ck_assert_uint_eq(hdr_percentile(hdr, 50), 0);
    ck_assert_uint_eq(hdr_percentile(hdr, 100), UINT64_MAX);
    free(hdr);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("hdr");

    tcase_add_test(tests, an_empty_one_has_no_percentile);
    tcase_add_test(tests, a_value_is_known_to_a_thousandth_and_never_too_small);
    tcase_add_test(tests, small_values_are_exact);
    tcase_add_test(tests, one_slow_call_among_a_thousand_is_the_largest_and_no_more);
    tcase_add_test(tests, zero_and_the_largest_value_are_values);
    return suite_run("hdr", tests);
}
