#include "wire/status.h"

#include <string.h>

#include "suite.h"

static const struct {
    int code;
    const char *name;
    unsigned http;
} table[] = {
    {0, "OK", 200},
    {1, "CANCELLED", 499},
    {2, "UNKNOWN", 500},
    {3, "INVALID_ARGUMENT", 400},
    {4, "DEADLINE_EXCEEDED", 504},
    {5, "NOT_FOUND", 404},
    {6, "ALREADY_EXISTS", 409},
    {7, "PERMISSION_DENIED", 403},
    {8, "RESOURCE_EXHAUSTED", 429},
    {9, "FAILED_PRECONDITION", 400},
    {10, "ABORTED", 409},
    {11, "OUT_OF_RANGE", 400},
    {12, "UNIMPLEMENTED", 501},
    {13, "INTERNAL", 500},
    {14, "UNAVAILABLE", 503},
    {15, "DATA_LOSS", 500},
    {16, "UNAUTHENTICATED", 401},
};

START_TEST(every_code_has_its_name_http_status_and_exit_status)
{
    enum wire_status status = (enum wire_status)table[_i].code;

    ck_assert_str_eq(wire_status_name(status), table[_i].name);
    ck_assert_uint_eq(wire_status_http(status), table[_i].http);
    ck_assert_int_eq(wire_status_exit(status), table[_i].code);
}
END_TEST

START_TEST(a_number_that_is_no_code_is_unknown)
{
    /* Through a variable of the enum's own width: a peer can send any of them. */
    const unsigned numbers[] = {17, 99, 0x7fffffffu, 0xffffffffu};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ck_assert_str_eq(wire_status_name((enum wire_status)numbers[i]), "UNKNOWN");
        ck_assert_uint_eq(wire_status_http((enum wire_status)numbers[i]), 500);
        ck_assert_int_eq(wire_status_exit((enum wire_status)numbers[i]), 2);
    }
}
END_TEST

START_TEST(an_error_is_filled_in_and_its_status_returned)
{
    struct wire_error error = {.retry_after_ms = 9};

    ck_assert_int_eq(wire_error_set(&error, WIRE_NOT_FOUND, "no %s of %d", "task", 7), WIRE_NOT_FOUND);
    ck_assert_int_eq(error.status, WIRE_NOT_FOUND);
    ck_assert_str_eq(error.message, "no task of 7");
    ck_assert_uint_eq(error.retry_after_ms, 0);
}
END_TEST

START_TEST(a_long_message_is_cut)
{
    struct wire_error error;

    (void)wire_error_set(&error, WIRE_INTERNAL, "%1000d", 1);
    ck_assert_uint_eq(strlen(error.message), sizeof error.message - 1);
}
END_TEST

START_TEST(quoted_text_is_printable_and_fits)
{
    char out[8];

    ck_assert_str_eq(wire_quote(out, sizeof out, ""), "");
    ck_assert_str_eq(wire_quote(out, sizeof out, "1234567"), "1234567");
    ck_assert_str_eq(wire_quote(out, sizeof out, "12345678"), "1234...");
    ck_assert_str_eq(wire_quote(out, sizeof out, "a\r\n\x1b\x7f\xc3\xa9"), "a??????");
    ck_assert_str_eq(wire_quote(out, 1, "abc"), "");
    ck_assert_str_eq(wire_quote(out, 3, "abc"), "ab");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("status");

    tcase_add_loop_test(tests, every_code_has_its_name_http_status_and_exit_status, 0,
                        (int)(sizeof table / sizeof *table));
    tcase_add_test(tests, a_number_that_is_no_code_is_unknown);
    tcase_add_test(tests, an_error_is_filled_in_and_its_status_returned);
    tcase_add_test(tests, a_long_message_is_cut);
    tcase_add_test(tests, quoted_text_is_printable_and_fits);
    return suite_run("status", tests);
}
