#include "wire/text.h"

#include <stdlib.h>
#include <string.h>

#include "compute.pb-c.h"
#include "rpc.pb-c.h"
#include "suite.h"
#include "wire/envelope.h"
#include "wire/limits.h"

/* A field's tag, its length and its bytes, as a string constant with all of its NULs. */
struct packed {
    const char *bytes;
    size_t len;
    const ProtobufCMessageDescriptor *type;
    const char *field; /* that holds a NUL; NULL for none */
};

#define PACKED(bytes, type, field)                                        \
    {                                                                     \
        bytes, sizeof bytes - 1, &tilery__v1__##type##__descriptor, field \
    }

static const struct packed cases[] = {
    PACKED("", rpc_request, NULL),
    PACKED("\x0a\x03"
           "abc",
           rpc_request, NULL),
    PACKED("\x0a\x03"
           "a\0c",
           rpc_request, "method"),
    PACKED("\x0a\x01\0\x0a\x01"
           "a",
           rpc_request, "method"),
    PACKED("\x22\x02"
           "a\0",
           rpc_request, "request_id"),
    PACKED("\x12\x03\0\0\0\x18\0", rpc_request, NULL),
    PACKED("\x2a\x04\x0a\x02"
           "ab\x2a\x04\x12\x02"
           "a\0",
           rpc_request, "value"),
    PACKED("\x52\x07"
           "scalar\0",
           compute_request, "kernel"),
    PACKED("\x5a\x09\x09\0\0\0\0\0\0\0\0\x52\x01"
           "a",
           compute_request, NULL),
    PACKED("\x7a\x01\0\xfd\x07\0\0\0\0", compute_request, NULL), /* fields that the type does not have */
    PACKED("\x0a\x03\x52\x01\0", open_stream_request, "kernel"),
};

START_TEST(a_nul_is_found_in_text_and_nowhere_else)
{
    const struct packed *packed = &cases[_i];
    struct wire_error error;
    char wanted[80];
    ProtobufCMessage *message =
        protobuf_c_message_unpack(packed->type, NULL, packed->len, (const uint8_t *)packed->bytes);

    ck_assert_ptr_nonnull(message);
    protobuf_c_message_free_unpacked(message, NULL);
    if (packed->field == NULL) {
        ck_assert_int_eq(wire_text_check(packed->type, (const uint8_t *)packed->bytes, packed->len, &error),
                         WIRE_OK);
        return;
    }
    ck_assert_int_eq(wire_text_check(packed->type, (const uint8_t *)packed->bytes, packed->len, &error),
                     WIRE_INVALID_ARGUMENT);
    (void)snprintf(wanted, sizeof wanted, "%s holds a NUL byte; text may hold none", packed->field);
    ck_assert_str_eq(error.message, wanted);
}
END_TEST

/* In memory of their very size, so that a sanitizer sees a byte read too many. */
START_TEST(garbage_and_cut_messages_do_no_harm)
{
    struct wire_error error;

    srand(1);
    for (int round = 0; round < 20000; round++) {
        size_t len = 1 + (size_t)rand() % 40;
        uint8_t *bytes = malloc(len);

        ck_assert_ptr_nonnull(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(rand() % 4 != 0 ? rand() % 128 : rand());
        (void)!wire_text_check(&tilery__v1__open_stream_request__descriptor, bytes, len, &error);
        free(bytes);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t len = 1; len < cases[i].len; len++) {
            uint8_t *bytes = malloc(len);

            ck_assert_ptr_nonnull(bytes);
            memcpy(bytes, cases[i].bytes, len);
            (void)!wire_text_check(cases[i].type, bytes, len, &error);
            free(bytes);
        }
}
END_TEST

START_TEST(a_nul_within_method_or_request_id_is_refused_by_name)
{
    static const uint8_t method[] = {0x0a, 3, 'a', 0, 'b'}, id[] = {0x22, 3, 'a', 0, 'b'};
    struct wire_request got;
    struct wire_error error;
    struct wire_arena arena;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    ck_assert_int_eq(wire_request_unpack(&arena, method, sizeof method, &got, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "method holds a NUL byte; text may hold none");
    ck_assert_int_eq(wire_request_unpack(&arena, id, sizeof id, &got, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "request_id holds a NUL byte; text may hold none");
    wire_arena_fini(&arena);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("text");

    tcase_add_loop_test(tests, a_nul_is_found_in_text_and_nowhere_else, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tests, garbage_and_cut_messages_do_no_harm);
    tcase_add_test(tests, a_nul_within_method_or_request_id_is_refused_by_name);
    return suite_run("text", tests);
}
