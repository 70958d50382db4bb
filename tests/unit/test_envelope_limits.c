/* What a request's envelope may hold, and what it is told of more. */
#include "wire/envelope.h"

#include <string.h>

#include "suite.h"
#include "wire/limits.h"

#define METADATA_FIELD 0x2a   /* field 5, length-delimited */
#define REQUEST_ID_FIELD 0x22 /* field 4, length-delimited */

static struct wire_arena arena;
static struct wire_error error;

static void set_up(void)
{
    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
}

static void tear_down(void)
{
    wire_arena_fini(&arena);
}

/* A request of that many empty metadata entries, two bytes each. */
static enum wire_status unpack_metadata(size_t entries)
{
    static uint8_t bytes[WIRE_MAX_REQUEST_BYTES];
    struct wire_request got;

    for (size_t i = 0; i < entries; i++) {
        bytes[2 * i] = METADATA_FIELD;
        bytes[2 * i + 1] = 0;
    }
    return wire_request_unpack(&arena, bytes, 2 * entries, &got, &error);
}

START_TEST(at_most_64_metadata_are_taken)
{
    ck_assert_int_eq(unpack_metadata(64), WIRE_OK);
    ck_assert_int_eq(unpack_metadata(65), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "metadata has 65 entries; at most 64 are allowed");
}
END_TEST

START_TEST(a_frame_that_swells_is_refused_within_the_budget)
{
    ck_assert_int_eq(unpack_metadata(WIRE_MAX_REQUEST_BYTES / 2), WIRE_INVALID_ARGUMENT);
    ck_assert(arena.refused);
    ck_assert_uint_le(arena.taken, WIRE_REQUEST_ARENA);
    ck_assert_str_eq(error.message, "the request does not fit the memory of one request");
    wire_arena_reset(&arena);
    ck_assert_int_eq(unpack_metadata(1), WIRE_OK);
}
END_TEST

/* As many as a server takes: a caller is told of more, not relieved of them. */
START_TEST(at_most_64_metadata_are_packed)
{
    static const struct wire_metadata entry = {"key", "value"};
    struct wire_metadata list[WIRE_MAX_METADATA + 1];
    struct wire_request head = {.method = "m", .request_id = "", .metadata = list}, got;
    uint8_t *frame;
    size_t size;

    for (size_t i = 0; i < WIRE_MAX_METADATA + 1; i++)
        list[i] = entry;
    head.metadata_count = WIRE_MAX_METADATA;
    frame = malloc(size = wire_request_size(&head, 0));
    ck_assert_ptr_nonnull(frame);
    ck_assert_ptr_eq(wire_request_pack(&head, 0, frame), frame + size);
    ck_assert_int_eq(wire_request_unpack(&arena, frame, size, &got, &error), WIRE_OK);
    ck_assert_uint_eq(got.metadata_count, WIRE_MAX_METADATA);
    free(frame);
    head.metadata_count++;
    ck_assert_uint_eq(wire_request_size(&head, 0), 0);
}
END_TEST

static enum wire_status unpack_id(const char *id)
{
    uint8_t bytes[128] = {REQUEST_ID_FIELD, (uint8_t)strlen(id)};
    struct wire_request got;

    ck_assert_uint_le(strlen(id), 100);
    memcpy(&bytes[2], id, strlen(id));
    return wire_request_unpack(&arena, bytes, 2 + strlen(id), &got, &error);
}

START_TEST(a_request_id_has_at_most_64_characters)
{
    char id[66] = {0};

    memset(id, 'a', 64);
    ck_assert_int_eq(unpack_id(id), WIRE_OK);
    id[64] = 'a';
    ck_assert_int_eq(unpack_id(id), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "request_id has 65 characters; at most 64 are allowed");
}
END_TEST

START_TEST(a_request_id_is_printable_ascii_without_spaces)
{
    static const char *const bad[] = {" ", "a b", "a ", "a\n", "\t", "\x1b[2J", "a\x7f", "\xc3\xa9", "\xff"};

    ck_assert_int_eq(unpack_id("!~0aZ-_.:/"), WIRE_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(unpack_id(bad[i]), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message,
                     "request_id holds the byte 0xff; it must be printable ASCII without spaces");
}
END_TEST

START_TEST(a_nul_within_method_or_request_id_is_refused_by_name)
{
    static const uint8_t method[] = {0x0a, 3, 'a', 0, 'b'}, id[] = {0x22, 3, 'a', 0, 'b'};
    struct wire_request got;

    ck_assert_int_eq(wire_request_unpack(&arena, method, sizeof method, &got, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "method holds a NUL byte; text may hold none");
    ck_assert_int_eq(wire_request_unpack(&arena, id, sizeof id, &got, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "request_id holds a NUL byte; text may hold none");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("envelope limits");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, at_most_64_metadata_are_taken);
    tcase_add_test(tests, at_most_64_metadata_are_packed);
    tcase_add_test(tests, a_frame_that_swells_is_refused_within_the_budget);
    tcase_add_test(tests, a_request_id_has_at_most_64_characters);
    tcase_add_test(tests, a_request_id_is_printable_ascii_without_spaces);
    tcase_add_test(tests, a_nul_within_method_or_request_id_is_refused_by_name);
    return suite_run("envelope limits", tests);
}
