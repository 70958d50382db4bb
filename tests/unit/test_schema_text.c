/* What a server may send as its schema: test_observe.py sees to it that ours is told as it is written. */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#include "schema_text.h"
#include "suite.h"

static const unsigned char ours[] = {
#include "schema.inc"
};

/* To be freed; NULL where status is not OK. */
static char *text_of(const void *set, size_t size, const char *name, enum schema_status *status)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    *status = schema_write(set, size, name, out);
    (void)fclose(out);
    if (*status == SCHEMA_OK)
        return text;
    ck_assert_uint_eq(len, 0);
    free(text);
    return NULL;
}

static void check_text(const void *set, size_t size, const char *name, const char *expected)
{
    enum schema_status status;
    char *text = text_of(set, size, name, &status);

    ck_assert_int_eq(status, SCHEMA_OK);
    ck_assert_str_eq(text, expected);
    free(text);
}

static void check_status(const void *set, size_t size, const char *name, enum schema_status expected)
{
    enum schema_status status;

    free(text_of(set, size, name, &status));
    ck_assert_int_eq(status, expected);
}

START_TEST(an_empty_schema_is_an_empty_text)
{
    check_text("", 0, NULL, "");
    check_status("", 0, "Code", SCHEMA_NO_SUCH_NAME);
}
END_TEST

START_TEST(what_is_no_schema_is_unreadable)
{
    check_status("\x0a\x05", 2, NULL, SCHEMA_UNREADABLE);
    check_status("\x08\x05\xff", 3, NULL, SCHEMA_UNREADABLE);
    check_status(ours, sizeof ours - 1, "Code", SCHEMA_UNREADABLE);
}
END_TEST

/* Puts ahead of what there is from `at` on that it is a message, of that field; returns where it is now. */
static size_t wrap(unsigned char *set, size_t size, size_t at, unsigned field)
{
    size_t len = size - at;

    set[--at] = (unsigned char)(len >> 14);
    set[--at] = (unsigned char)(len >> 7 | 0x80);
    set[--at] = (unsigned char)(len | 0x80);
    set[--at] = (unsigned char)(field << 3 | 2);
    return at;
}

/* protobuf-c would go as deep as they nest, and more than a stack takes. */
START_TEST(endless_messages_within_messages_are_unreadable)
{
    enum { FILES = 1, MESSAGES = 4, NESTED = 3, SIZE = 1 << 20 };
    unsigned char *set = malloc(SIZE);
    size_t at = SIZE;

    for (unsigned depth = 0; depth < SIZE / 4 - 2; depth++)
        at = wrap(set, SIZE, at, NESTED);
    at = wrap(set, SIZE, wrap(set, SIZE, at, MESSAGES), FILES);
    check_status(&set[at], SIZE - at, NULL, SCHEMA_UNREADABLE);
    free(set);
}
END_TEST

/* A file with nothing in it but a message, a method and an enum, none of which has a name. */
START_TEST(what_has_no_name_is_told_without)
{
    static const unsigned char set[] = {0x0a, 0x08, 0x22, 0x02, 0x12, 0x00, 0x2a, 0x00, 0x32, 0x00};
    static const unsigned char method[] = {0x0a, 0x07, 0x32, 0x05, 0x0a, 0x01, 'S', 0x12, 0x00};
    enum schema_status status;
    char *text = text_of(set, sizeof set, NULL, &status);

    ck_assert_int_eq(status, SCHEMA_OK);
    ck_assert_ptr_nonnull(strstr(text, "message "));
    free(text);
    check_text(method, sizeof method, "S/", "service S {\n  rpc () returns ();\n}\n");
    check_status(method, sizeof method, "S/x", SCHEMA_NO_SUCH_NAME);
}
END_TEST

/* Control characters, also those of 8 bits, and what turns the direction of writing. */
START_TEST(what_a_terminal_would_heed_is_not_told)
{
    static const unsigned char set[] = {0x0a, 0x0d, 0x22, 0x0b, 0x0a, 0x09, '\033', '[',
                                        'H',  0177, 0xc2, 0x9b, 0xe2, 0x80, 0xae};

    check_text(set, sizeof set, NULL, "// ----  ----\nsyntax = \"proto2\";\n\nmessage ?[H?????? {}\n");
}
END_TEST

/* Lines that are aligned with one that is long would be as long, all of them. */
START_TEST(a_long_line_makes_no_others_long)
{
    enum { FILES = 1, MESSAGES = 4, FIELDS = 2, NAME = 1, LONG = 100000, SIZE = 1 << 20 };
    unsigned char *set = malloc(SIZE);
    size_t at = SIZE, end;
    enum schema_status status;
    char *text;

    for (unsigned i = 0; i < 10000; i++) {
        end = at;
        set[--at] = '\t';
        at = wrap(set, end, at, NAME);
        at = wrap(set, end, at, FIELDS);
    }
    end = at;
    set[--at] = '\t';
    memset(&set[at -= LONG], 'x', LONG);
    at = wrap(set, end, wrap(set, end, at, NAME), FIELDS);
    at = wrap(set, SIZE, wrap(set, SIZE, at, MESSAGES), FILES);
    text = text_of(&set[at], SIZE - at, NULL, &status);
    ck_assert_int_eq(status, SCHEMA_OK);
    ck_assert_uint_lt(strlen(text), SIZE);
    free(text);
    free(set);
}
END_TEST

/* Most of what comes of a changed byte can still be read. */
START_TEST(a_schema_with_changed_bytes_ends_well)
{
    unsigned char *set = malloc(sizeof ours);
    unsigned read = 0;

    srand(1);
    for (unsigned round = 0; round < 1000; round++) {
        enum schema_status status;

        memcpy(set, ours, sizeof ours);
        for (int i = rand() % 4; i >= 0; i--)
            set[(unsigned)rand() % sizeof ours] = (unsigned char)rand();
        free(text_of(set, sizeof ours, round % 2 == 0 ? NULL : "TileCompute/Compute", &status));
        read += status == SCHEMA_OK;
    }
    ck_assert_uint_gt(read, 100);
    free(set);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("schema text");

    tcase_add_test(tests, an_empty_schema_is_an_empty_text);
    tcase_add_test(tests, what_is_no_schema_is_unreadable);
    tcase_add_test(tests, endless_messages_within_messages_are_unreadable);
    tcase_add_test(tests, what_has_no_name_is_told_without);
    tcase_add_test(tests, what_a_terminal_would_heed_is_not_told);
    tcase_add_test(tests, a_long_line_makes_no_others_long);
    tcase_add_test(tests, a_schema_with_changed_bytes_ends_well);
    return suite_run("schema text", tests);
}
