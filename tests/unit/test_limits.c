#include "wire/limits.h"

#include <inttypes.h>
#include <string.h>

#include "suite.h"

static const struct {
    enum wire_field field;
    const char *name;
    uint64_t min, max;
} fields[] = {
    {WIRE_WIDTH, "width", 1, 65536},
    {WIRE_HEIGHT, "height", 1, 65536},
    {WIRE_TILE_W, "tile_w", 1, 65536},
    {WIRE_TILE_H, "tile_h", 1, 65536},
    {WIRE_MAX_ITER, "max_iter", 1, 65535},
    {WIRE_TIME_LIMIT_MS, "time_limit_ms", 0, 600000},
    {WIRE_NUM_THREADS, "num_threads", 1, 256},
    {WIRE_FIRST_TASK, "first_task", 0, 1048575},
    {WIRE_TASK_COUNT, "task_count", 1, 1048576},
};

static enum wire_status parse_number(enum wire_field field, uint64_t number, uint64_t *value)
{
    struct wire_error error;
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    return wire_field_parse(field, text, value, &error);
}

static void check_accepted(enum wire_field field, uint64_t number)
{
    struct wire_error error;
    uint64_t value;

    ck_assert_int_eq(wire_field_check(field, number, &error), WIRE_OK);
    ck_assert_int_eq(parse_number(field, number, &value), WIRE_OK);
    ck_assert_uint_eq(value, number);
}

static void check_refused(enum wire_field field, uint64_t number)
{
    struct wire_error error;
    uint64_t value;

    ck_assert_int_eq(wire_field_check(field, number, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_int_eq(parse_number(field, number, &value), WIRE_INVALID_ARGUMENT);
}

START_TEST(a_field_takes_its_range_and_nothing_beyond)
{
    ck_assert_str_eq(wire_field_name(fields[_i].field), fields[_i].name);
    ck_assert_uint_eq(wire_field_max(fields[_i].field), fields[_i].max);
    check_accepted(fields[_i].field, fields[_i].min);
    check_accepted(fields[_i].field, fields[_i].max);
    if (fields[_i].min > 0)
        check_refused(fields[_i].field, fields[_i].min - 1);
    check_refused(fields[_i].field, fields[_i].max + 1);
    check_refused(fields[_i].field, UINT32_MAX);
    check_refused(fields[_i].field, (UINT64_C(1) << 32) + 96); /* 96 if cut to 32 bits */
    check_refused(fields[_i].field, UINT64_MAX);
}
END_TEST

static const char *const not_numbers[] = {
    "",   "-1",  "-0",  "+1",    " 1",    "1 ",   "\t1", "1\n",      "0x10",         "x",
    "1x", "1.0", "1e2", "1 000", "1,000", "1_0",  "NaN", "\xd9\xa1", "\xef\xbc\x91", "-",
    "+",  " ",   "--1", "1-",    "1+1",   "true", "''",  "%31",      "0b1",          "1\x7f",
};

START_TEST(text_that_is_not_digits_alone_is_refused)
{
    struct wire_error error;
    uint64_t value = 7;

    ck_assert_int_eq(wire_field_parse(WIRE_TIME_LIMIT_MS, not_numbers[_i], &value, &error),
                     WIRE_INVALID_ARGUMENT);
    ck_assert_uint_eq(value, 0);
}
END_TEST

/* Each would be a small number if it wrapped around at 2^32 or at 2^64. */
static const char *const too_large[] = {
    "4294967296",
    "4294967392",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551712",
    "36893488147419103328",
    "184467440737095516170",
    "340282366920938463463374607431768211552",
    "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999",
};

START_TEST(numbers_beyond_64_bits_do_not_wrap_around)
{
    struct wire_error error;
    uint64_t value;

    ck_assert_int_eq(wire_field_parse(WIRE_TIME_LIMIT_MS, too_large[_i], &value, &error),
                     WIRE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(leading_zeros_are_decimal)
{
    struct wire_error error;
    uint64_t value;

    ck_assert_int_eq(wire_field_parse(WIRE_WIDTH, "0000000000000000000000000096", &value, &error), WIRE_OK);
    ck_assert_uint_eq(value, 96);
}
END_TEST

START_TEST(the_error_names_field_value_and_range)
{
    struct wire_error error;
    uint64_t value;

    ck_assert_int_eq(wire_field_check(WIRE_MAX_ITER, 70000, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "max_iter is 70000; it must be from 1 to 65535");
    ck_assert_int_eq(wire_field_parse(WIRE_NUM_THREADS, "four", &value, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "num_threads is \"four\"; it must be a whole number from 1 to 256");
    ck_assert_int_eq(error.status, WIRE_INVALID_ARGUMENT);
    ck_assert_uint_eq(error.retry_after_ms, 0);
}
END_TEST

START_TEST(the_error_shows_hostile_text_cut_and_harmless)
{
    char text[2000];
    struct wire_error error;
    uint64_t value;

    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(wire_field_parse(WIRE_WIDTH, text, &value, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_ptr_null(strchr(error.message, '\n'));
    ck_assert_ptr_nonnull(strstr(error.message, "from 1 to 65536"));
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

int main(void)
{
    TCase *tests = tcase_create("limits");

    tcase_add_loop_test(tests, a_field_takes_its_range_and_nothing_beyond, 0, COUNT(fields));
    tcase_add_loop_test(tests, text_that_is_not_digits_alone_is_refused, 0, COUNT(not_numbers));
    tcase_add_loop_test(tests, numbers_beyond_64_bits_do_not_wrap_around, 0, COUNT(too_large));
    tcase_add_test(tests, leading_zeros_are_decimal);
    tcase_add_test(tests, the_error_names_field_value_and_range);
    tcase_add_test(tests, the_error_shows_hostile_text_cut_and_harmless);
    return suite_run("limits", tests);
}
