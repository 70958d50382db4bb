/* Counts as a tile's data, there and back. */
#include "wire/counts.h"

#include <string.h>

#include "suite.h"

#define BOTH (WIRE_ENCODING(WIRE_UINT8) | WIRE_ENCODING(WIRE_UNIFORM))
#define COUNTS 1000
#define BEHIND 0xeeee /* what nobody may write */

static uint16_t counts[COUNTS + 1], decoded[COUNTS + 1];

/* Encodes the first of a ramp of counts, of which the odd one is put in at a place, and decodes them. */
static wire_encoding there_and_back(size_t count, uint16_t from, unsigned step, uint16_t odd, size_t place,
                                    unsigned set, size_t *len)
{
    uint16_t before[COUNTS];
    wire_encoding encoding;

    for (size_t i = 0; i < count; i++)
        before[i] = counts[i] = (uint16_t)(i == place ? odd : from + i * step % 200);
    counts[count] = decoded[count] = BEHIND;
    encoding = wire_counts_encode(counts, count, set, len);
    ck_assert(wire_counts_decode(encoding, (const uint8_t *)counts, *len, decoded, count));
    ck_assert_mem_eq(decoded, before, count * sizeof *before);
    ck_assert_uint_eq(counts[count], BEHIND);
    ck_assert_uint_eq(decoded[count], BEHIND);
    return encoding;
}

/* Each number of counts has its own way through whole vectors and what is left. */
START_TEST(counts_of_any_number_come_back)
{
    size_t len;

    for (size_t count = 1; count <= COUNTS; count++) {
        ck_assert_int_eq(there_and_back(count, 0, 7, 255, 0, BOTH, &len), WIRE_UINT8);
        ck_assert_uint_eq(len, count);
        ck_assert_int_eq(there_and_back(count, 65000, 0, 65000, 0, BOTH, &len),
                         count == 1 ? WIRE_UINT16 : WIRE_UNIFORM);
        ck_assert_uint_eq(len, 2);
        ck_assert_int_eq(there_and_back(count, 300, 7, 255, 0, 0, &len), WIRE_UINT16);
        ck_assert_uint_eq(len, 2 * count);
    }
}
END_TEST

/* Wherever it is. */
START_TEST(one_count_that_is_too_large_for_a_byte_is_enough)
{
    size_t len;

    for (size_t place = 0; place < COUNTS; place++) {
        ck_assert_int_eq(there_and_back(COUNTS, 5, 1, 255, place, BOTH, &len), WIRE_UINT8);
        ck_assert_int_eq(there_and_back(COUNTS, 5, 1, 256, place, BOTH, &len), WIRE_UINT16);
        ck_assert_uint_eq(len, 2 * COUNTS);
    }
}
END_TEST

START_TEST(one_count_that_differs_is_enough)
{
    size_t len;

    for (size_t place = 0; place < COUNTS; place++) {
        ck_assert_int_eq(there_and_back(COUNTS, 1000, 0, 1001, place, BOTH, &len), WIRE_UINT16);
        ck_assert_int_eq(there_and_back(COUNTS, 100, 0, 101, place, BOTH, &len), WIRE_UINT8);
    }
}
END_TEST

START_TEST(an_encoding_that_is_not_of_the_set_is_not_used)
{
    size_t len;

    ck_assert_int_eq(there_and_back(COUNTS, 9, 0, 9, 0, WIRE_ENCODING(WIRE_UINT8), &len), WIRE_UINT8);
    ck_assert_int_eq(there_and_back(COUNTS, 9, 1, 9, 0, WIRE_ENCODING(WIRE_UNIFORM), &len), WIRE_UINT16);
    ck_assert_int_eq(there_and_back(COUNTS, 9, 0, 9, 0, 0, &len), WIRE_UINT16);
    ck_assert_int_eq(there_and_back(COUNTS, 900, 0, 900, 0, WIRE_ENCODING(WIRE_UINT8), &len), WIRE_UINT16);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("counts");

    tcase_add_test(tests, counts_of_any_number_come_back);
    tcase_add_test(tests, one_count_that_is_too_large_for_a_byte_is_enough);
    tcase_add_test(tests, one_count_that_differs_is_enough);
    tcase_add_test(tests, an_encoding_that_is_not_of_the_set_is_not_used);
    return suite_run("counts", tests);
}
