#include "wire/token.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"
#include "wire/file.h"
#include "wire/token_file.h"

#define GOOD "0123456789abcdef"

static struct wire_token token;
static struct wire_error error;
static char path[] = "/tmp/tilery-token-XXXXXX";

static void set_up(void)
{
    int fd;

    memcpy(path, "/tmp/tilery-token-XXXXXX", sizeof path);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void tear_down(void)
{
    unlink(path);
}

static void write_file(const char *text, size_t len)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, len, file), len);
    fclose(file);
}

static enum wire_status read_file_of(const char *text, size_t len)
{
    write_file(text, len);
    return wire_token_read(&token, "token_file", path, &error);
}

static const char *const good_files[] = {GOOD, GOOD "\n", "  \t" GOOD " \r\n", GOOD "\nsecond line \x01\n"};

START_TEST(a_token_is_the_first_line_without_blanks_around_it)
{
    ck_assert_int_eq(read_file_of(good_files[_i], strlen(good_files[_i])), WIRE_OK);
    ck_assert_str_eq(token.text, GOOD);
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    const char *message;
} bad_files[] = {
    {"", 0, "the file is empty"},
    {"\n" GOOD, 17, "has 0 characters; it must have from 16 to 4096"},
    {"0123456789abcde\n", 16, "has 15 characters"},
    {"01234567 89abcdef", 17, "character 9 of the token is no printable ASCII"},
    {"0123456789abcde\xc3\xa9", 17, "character 16 of the token"},
    {"0123456789abcdef\0x", 18, "it is no text file"},
};

START_TEST(what_is_no_token_is_refused_by_name_and_not_shown)
{
    ck_assert_int_eq(read_file_of(bad_files[_i].text, bad_files[_i].len), WIRE_INVALID_ARGUMENT);
    ck_assert_msg(strstr(error.message, bad_files[_i].message) != NULL, "%s", error.message);
    ck_assert_ptr_nonnull(strstr(error.message, "token_file"));
    ck_assert_ptr_nonnull(strstr(error.message, path));
    ck_assert_ptr_null(strstr(error.message, "01234"));
}
END_TEST

START_TEST(a_token_has_at_most_4096_characters)
{
    char text[WIRE_MAX_TOKEN + 2] = "";

    memset(text, 'x', WIRE_MAX_TOKEN + 1);
    ck_assert_int_eq(wire_token_set(&token, "token", text, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "token: the token has 4097 characters; it must have from 16 to 4096");
    text[WIRE_MAX_TOKEN] = '\0';
    ck_assert_int_eq(wire_token_set(&token, "token", text, &error), WIRE_OK);
    ck_assert(wire_token_equals(&token, text));
    text[WIRE_MAX_TOKEN - 1] = 'y';
    ck_assert(!wire_token_equals(&token, text));
    text[WIRE_MAX_TOKEN - 1] = 'x';
    text[WIRE_MAX_TOKEN] = 'x';
    ck_assert(!wire_token_equals(&token, text));
}
END_TEST

START_TEST(only_the_whole_token_is_equal)
{
    static const char *const others[] = {"", "0", "0123456789abcde", GOOD "0", GOOD " ", "1123456789abcdef"};

    ck_assert_int_eq(wire_token_set(&token, "token", GOOD, &error), WIRE_OK);
    ck_assert(wire_token_equals(&token, GOOD));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!wire_token_equals(&token, others[i]), "%s", others[i]);
}
END_TEST

START_TEST(a_shorter_token_leaves_nothing_of_a_longer_one)
{
    ck_assert_int_eq(wire_token_set(&token, "token", GOOD GOOD, &error), WIRE_OK);
    ck_assert_int_eq(wire_token_set(&token, "token", GOOD, &error), WIRE_OK);
    ck_assert(wire_token_equals(&token, GOOD));
    ck_assert(!wire_token_equals(&token, GOOD GOOD));
}
END_TEST

START_TEST(a_file_that_cannot_be_read_says_why)
{
    static const struct {
        const char *name, *why;
    } files[] = {{"/nowhere/token", "No such file"}, {"/tmp", "Is a directory"}, {"/dev/zero", "too large"}};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ck_assert_int_eq(wire_token_read(&token, "token_file", files[i].name, &error), WIRE_INVALID_ARGUMENT);
        ck_assert_msg(strstr(error.message, files[i].why) != NULL, "%s", error.message);
    }
}
END_TEST

#define OTHER "fedcba9876543210"

static const struct {
    const char *text, *authorization;
    enum token_shown shown;
} changes[] = {
    {GOOD "\n" OTHER "\n", "Bearer " GOOD, TOKEN_SHOWN},
    {GOOD "\n" OTHER, "bearer " OTHER, TOKEN_SHOWN},
    {GOOD "\n" OTHER "\n\n \t\r\n", "Bearer " OTHER, TOKEN_SHOWN},
    {GOOD "\n\n\n", "Bearer " OTHER, TOKEN_WRONG},
    {GOOD "\n", "Bearer ", TOKEN_WRONG},
    {GOOD "\n" OTHER "\n", OTHER, TOKEN_MISSING},
};

START_TEST(a_server_takes_the_tokens_of_the_first_two_lines)
{
    struct token_file *file;

    write_file(changes[_i].text, strlen(changes[_i].text));
    ck_assert_int_eq(token_file_create(path, &file, &error), WIRE_OK);
    ck_assert_int_eq(token_file_check(file, changes[_i].authorization), changes[_i].shown);
    token_file_free(file);
}
END_TEST

static const struct {
    const char *text, *place;
} long_files[] = {
    {GOOD "\n" OTHER "\n" OTHER "x\n", ", line 3: "},
    {GOOD "\n" OTHER "\n# that was all", ", line 3: "},
    {GOOD "\n \n" OTHER "\n", ", line 3: "},
    {GOOD "\n" OTHER "\n\n\nshort\n", ", line 5: "},
};

START_TEST(a_server_drops_no_further_line_without_a_word)
{
    struct token_file *file;
    size_t count;

    write_file(long_files[_i].text, strlen(long_files[_i].text));
    ck_assert_int_eq(token_file_create(path, &file, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_ptr_null(file);
    ck_assert_ptr_nonnull(strstr(error.message, path));
    ck_assert_ptr_nonnull(strstr(error.message, long_files[_i].place));
    ck_assert_ptr_nonnull(strstr(error.message, "only the first 2 lines may hold tokens"));
    ck_assert_ptr_null(strstr(error.message, OTHER));
    write_file(GOOD, strlen(GOOD));
    ck_assert_int_eq(token_file_create(path, &file, &error), WIRE_OK);
    write_file(long_files[_i].text, strlen(long_files[_i].text));
    ck_assert_int_eq(token_file_reload(file, &count, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_int_eq(token_file_check(file, "Bearer " GOOD), TOKEN_SHOWN);
    ck_assert_int_eq(token_file_check(file, "Bearer " OTHER), TOKEN_WRONG);
    token_file_free(file);
}
END_TEST

START_TEST(a_reload_drops_what_is_not_there_any_more_and_a_bad_second_line_nothing)
{
    static const char both[] = GOOD "\n" OTHER "\n", bad[] = OTHER "\nshort\n", one[] = OTHER "\n";
    struct token_file *file;
    size_t count;

    write_file(both, strlen(both));
    ck_assert_int_eq(token_file_create(path, &file, &error), WIRE_OK);
    write_file(bad, strlen(bad));
    ck_assert_int_eq(token_file_reload(file, &count, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_nonnull(strstr(error.message, ", line 2: the token has 5 characters"));
    ck_assert_int_eq(token_file_check(file, "Bearer " GOOD), TOKEN_SHOWN);
    write_file(both, strlen(both));
    ck_assert_int_eq(token_file_reload(file, &count, &error), WIRE_OK);
    ck_assert_uint_eq(count, 2);
    write_file(one, strlen(one));
    ck_assert_int_eq(token_file_reload(file, &count, &error), WIRE_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(token_file_check(file, "Bearer " GOOD), TOKEN_WRONG);
    ck_assert_int_eq(token_file_check(file, "Bearer " OTHER), TOKEN_SHOWN);
    token_file_free(file);
}
END_TEST

START_TEST(only_the_owner_s_own_file_is_not_exposed)
{
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert(!wire_file_is_exposed(path));
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert(wire_file_is_exposed(path));
    ck_assert_int_eq(chmod(path, 0604), 0);
    ck_assert(wire_file_is_exposed(path));
}
END_TEST

/* Only root can give a file away. */
START_TEST(the_group_may_read_what_somebody_else_lends_it)
{
    if (chown(path, geteuid() + 1, getegid()) != 0)
        return;
    ck_assert_int_eq(chmod(path, 0440), 0);
    ck_assert(!wire_file_is_exposed(path));
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert(wire_file_is_exposed(path));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("token");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_token_is_the_first_line_without_blanks_around_it, 0, 4);
    tcase_add_loop_test(tests, what_is_no_token_is_refused_by_name_and_not_shown, 0, 6);
    tcase_add_test(tests, a_token_has_at_most_4096_characters);
    tcase_add_test(tests, only_the_whole_token_is_equal);
    tcase_add_test(tests, a_shorter_token_leaves_nothing_of_a_longer_one);
    tcase_add_test(tests, a_file_that_cannot_be_read_says_why);
    tcase_add_loop_test(tests, a_server_takes_the_tokens_of_the_first_two_lines, 0,
                        (int)(sizeof changes / sizeof *changes));
    tcase_add_loop_test(tests, a_server_drops_no_further_line_without_a_word, 0,
                        (int)(sizeof long_files / sizeof *long_files));
    tcase_add_test(tests, a_reload_drops_what_is_not_there_any_more_and_a_bad_second_line_nothing);
    tcase_add_test(tests, the_group_may_read_what_somebody_else_lends_it);
    tcase_add_test(tests, only_the_owner_s_own_file_is_not_exposed);
    return suite_run("token", tests);
}
