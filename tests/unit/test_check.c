#include "wire/check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "engine/schedule.h"

#include "compute.pb-c.h"
#include "rpc.pb-c.h"
#include "server.pb-c.h"
#include "suite.h"

#define COMPUTE (&tilery__v1__compute_request__descriptor)
#define WIDTH 1
#define MODE 8
#define SCHEDULE 9
#define KERNEL 10
#define UNKNOWN 1000
#define ACCEPT 2 /* of OpenStreamRequest */

static struct wire_error error;

/* A message that is being put together. */
struct bytes {
    uint8_t data[4096];
    size_t len;
};

static void put_varint(struct bytes *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        out->data[out->len++] = (uint8_t)(value | 0x80);
    out->data[out->len++] = (uint8_t)value;
}

static void put_number(struct bytes *out, unsigned field, uint64_t value)
{
    put_varint(out, (uint64_t)field << 3);
    put_varint(out, value);
}

static void put_bytes(struct bytes *out, unsigned field, const void *data, size_t len)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, len);
    memcpy(&out->data[out->len], data, len);
    out->len += len;
}

/* Looks at a copy that ends where its memory ends, so that a sanitizer sees any step beyond. */
static enum wire_status check(const ProtobufCMessageDescriptor *type, const struct bytes *message)
{
    uint8_t *copy = malloc(message->len != 0 ? message->len : 1);
    enum wire_status status;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, message->data, message->len);
    error.message[0] = '\0';
    status = wire_check_fields(type, copy, message->len, &error);
    ck_assert((status == WIRE_OK) == (error.message[0] == '\0'));
    ck_assert(status == WIRE_OK || (status == WIRE_INVALID_ARGUMENT && error.status == status));
    free(copy);
    return status;
}

static void check_refused(const ProtobufCMessageDescriptor *type, const struct bytes *message,
                          const char *words)
{
    ck_assert_int_eq(check(type, message), WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, words);
}

static const struct {
    const ProtobufCMessageDescriptor *type;
    unsigned field;
    uint64_t value;
    const char *message; /* NULL: it fits */
} numbers[] = {
    {COMPUTE, MODE, 1, NULL},
    {COMPUTE, MODE, INT32_MAX, NULL},
    {COMPUTE, MODE, (uint64_t)INT64_C(-1), NULL},
    {COMPUTE, MODE, (uint64_t)INT64_C(-2147483648), NULL},
    {COMPUTE, MODE, UINT64_C(4294967297),
     "mode is 4294967297; it must be from 1 (MODE_CONCURRENT) to 2 (MODE_SEQUENTIAL)"},
    {COMPUTE, MODE, UINT64_C(2147483648),
     "mode is 2147483648; it must be from 1 (MODE_CONCURRENT) to 2 (MODE_SEQUENTIAL)"},
    {COMPUTE, MODE, (uint64_t)INT64_C(-2147483649),
     "mode is -2147483649; it must be from 1 (MODE_CONCURRENT) to 2 (MODE_SEQUENTIAL)"},
    {COMPUTE, SCHEDULE, UINT64_C(1) << 63,
     "schedule is -9223372036854775808; it must be from 1 (SCHEDULE_STATIC) to 5 (SCHEDULE_STEALING)"},
    {COMPUTE, WIDTH, UINT64_MAX, NULL},
    {COMPUTE, UNKNOWN, UINT64_MAX, NULL},
    {&tilery__v1__task_record__descriptor, 1, UINT32_MAX, NULL},
    {&tilery__v1__task_record__descriptor, 1, UINT64_C(4294967296),
     "task_id is 4294967296; it must be from 0 to 4294967295"},
    {&tilery__v1__cancel_reply__descriptor, 1, 1, NULL},
    {&tilery__v1__cancel_reply__descriptor, 1, 2, "found is 2; it must be from 0 to 1"},
    {&tilery__v1__cancel_reply__descriptor, 1, UINT64_C(1) << 32,
     "found is 4294967296; it must be from 0 to 1"},
    {&tilery__v1__rpc_reply__descriptor, 1, UINT64_C(4294967296),
     "status is 4294967296; it must be from 0 (OK) to 16 (UNAUTHENTICATED)"},
};

START_TEST(a_number_wider_than_its_field_is_refused_with_name_value_and_range)
{
    struct bytes message = {.len = 0};

    put_number(&message, numbers[_i].field, numbers[_i].value);
    if (numbers[_i].message == NULL)
        ck_assert_int_eq(check(numbers[_i].type, &message), WIRE_OK);
    else
        check_refused(numbers[_i].type, &message, numbers[_i].message);
}
END_TEST

/* A repeated number may come as several fields, or packed in one. */
START_TEST(each_number_of_a_list_has_to_fit)
{
    static const uint64_t fit[] = {2, 3, 99, (uint64_t)INT64_C(-1)};
    const ProtobufCMessageDescriptor *type = &tilery__v1__open_stream_request__descriptor;
    const char *words = "accept is 4294967298; it must be from 1 (ENCODING_UINT16) to 3 (ENCODING_UNIFORM)";
    struct bytes message = {.len = 0}, packed = {.len = 0}, single;

    for (size_t i = 0; i < sizeof fit / sizeof *fit; i++)
        put_varint(&packed, fit[i]);
    put_bytes(&message, ACCEPT, packed.data, packed.len);
    ck_assert_int_eq(check(type, &message), WIRE_OK);
    single = message;
    put_number(&single, ACCEPT, UINT64_C(4294967298));
    check_refused(type, &single, words);
    put_varint(&packed, UINT64_C(4294967298));
    put_varint(&packed, 2);
    put_bytes(&message, ACCEPT, packed.data, packed.len);
    check_refused(type, &message, words);
}
END_TEST

START_TEST(a_number_that_is_none_of_its_enum_is_refused_with_the_first_and_the_last)
{
    static const ProtobufCEnumDescriptor *const type = &tilery__v1__mode__descriptor;

    ck_assert_int_eq(wire_check_enum(type, "mode", 1, &error), WIRE_OK);
    ck_assert_int_eq(wire_check_enum(type, "mode", 2, &error), WIRE_OK);
    for (int value = 0; value <= 3; value += 3) {
        char words[100];

        (void)snprintf(words, sizeof words,
                       "mode is %d; it must be from 1 (MODE_CONCURRENT) to 2 (MODE_SEQUENTIAL)", value);
        ck_assert_int_eq(wire_check_enum(type, "mode", value, &error), WIRE_INVALID_ARGUMENT);
        ck_assert_str_eq(error.message, words);
    }
}
END_TEST

START_TEST(every_schedule_of_the_schema_is_one_of_the_engine_s)
{
    ck_assert_uint_eq(tilery__v1__schedule__descriptor.n_values, SCHEDULE_KINDS);
}
END_TEST

START_TEST(a_number_of_more_than_64_bits_is_refused)
{
    struct bytes message = {.len = 0};

    put_number(&message, WIDTH, UINT64_MAX);
    ck_assert_int_eq(check(COMPUTE, &message), WIRE_OK);
    message.data[message.len - 1] = 0x03;
    check_refused(COMPUTE, &message, "width has more than 64 bits; it must be below 2^64");
    message.data[0] = 0x78; /* a field that nobody knows */
    ck_assert_int_eq(check(COMPUTE, &message), WIRE_OK);
}
END_TEST

START_TEST(text_with_a_nul_byte_is_refused_wherever_it_is)
{
    static const char *const texts[] = {"\0", "\0auto", "au\0to", "auto\0"};
    static const size_t lengths[] = {1, 5, 5, 5};
    struct bytes compute = {.len = 0}, open = {.len = 0};

    put_bytes(&compute, KERNEL, "", 0);
    put_bytes(&compute, KERNEL, "auto", 4);
    ck_assert_int_eq(check(COMPUTE, &compute), WIRE_OK);
    put_bytes(&compute, KERNEL, texts[_i], lengths[_i]);
    check_refused(COMPUTE, &compute, "kernel holds a NUL byte; text may hold none");
    put_bytes(&open, 1, compute.data, compute.len);
    check_refused(&tilery__v1__open_stream_request__descriptor, &open,
                  "kernel holds a NUL byte; text may hold none");
}
END_TEST

START_TEST(numbers_inside_messages_are_looked_at_and_bytes_are_not)
{
    struct bytes compute = {.len = 0}, open = {.len = 0}, request = {.len = 0};

    put_number(&compute, MODE, UINT64_C(1) << 32);
    put_bytes(&open, 1, compute.data, compute.len);
    check_refused(&tilery__v1__open_stream_request__descriptor, &open,
                  "mode is 4294967296; it must be from 1 (MODE_CONCURRENT) to 2 (MODE_SEQUENTIAL)");
    put_bytes(&request, 2, compute.data, compute.len); /* payload */
    put_bytes(&request, UNKNOWN, "\0", 1);
    ck_assert_int_eq(check(&tilery__v1__rpc_request__descriptor, &request), WIRE_OK);
}
END_TEST

START_TEST(fixed_width_fields_are_passed_over_whole)
{
    static const uint8_t zeros[8];
    struct bytes region = {.len = 0}, compute = {.len = 0};

    put_varint(&region, 1 << 3 | 1);
    memcpy(&region.data[region.len], zeros, sizeof zeros);
    region.len += sizeof zeros;
    put_varint(&region, UNKNOWN << 3 | 5);
    memcpy(&region.data[region.len], zeros, 4);
    region.len += 4;
    put_bytes(&compute, 11, region.data, region.len);
    put_number(&compute, MODE, 1);
    ck_assert_int_eq(check(COMPUTE, &compute), WIRE_OK);
}
END_TEST

static const struct bytes broken[] = {
    {{0x08}, 1},                   /* no value */
    {{0x08, 0x80}, 2},             /* half a value */
    {{0x80}, 1},                   /* half a tag */
    {{0x52, 0x02, 'a'}, 3},        /* text that ends early */
    {{0x52, 0x80}, 2},             /* half a length */
    {{0x59, 0, 0, 0, 0, 0, 0}, 7}, /* seven of nine bytes */
    {{0x5d, 0, 0, 0}, 4},
    {{0x0b}, 1}, /* a group begins */
    {{0x0c}, 1},
    {{0x0e}, 1}, /* a wire type that is none */
    {{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 12},
    {{0x52, 0x80, 0x80, 0x80, 0x80, 0x10}, 6}, /* 2^32 bytes of text */
    {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 9},
};

START_TEST(bytes_that_are_no_message_are_refused)
{
    check_refused(COMPUTE, &broken[_i], "the bytes are not a tilery.v1.ComputeRequest");
}
END_TEST

/* A message that holds itself, which no schema of ours has. */
static const ProtobufCMessageDescriptor endless;
static const ProtobufCFieldDescriptor inner = {.name = "inner",
                                               .id = 1,
                                               .label = PROTOBUF_C_LABEL_OPTIONAL,
                                               .type = PROTOBUF_C_TYPE_MESSAGE,
                                               .descriptor = &endless};
static const ProtobufCIntRange ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor endless = {.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
                                                   .name = "Endless",
                                                   .short_name = "Endless",
                                                   .n_fields = 1,
                                                   .fields = &inner,
                                                   .n_field_ranges = 1,
                                                   .field_ranges = ranges};

START_TEST(messages_nest_eight_deep_at_most)
{
    struct bytes message = {.len = 0};

    for (unsigned depth = 1; depth <= 8; depth++) {
        struct bytes outer = {.len = 0};

        ck_assert_int_eq(check(&endless, &message), WIRE_OK);
        put_bytes(&outer, 1, message.data, message.len);
        message = outer;
    }
    check_refused(&endless, &message, "Endless is nested more than 8 deep");
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 32 ^ *state >> 11;
}

/* Of any width. */
static uint64_t random_number(uint64_t *state)
{
    uint64_t number = next_random(state) << 32 ^ next_random(state);

    return number >> next_random(state) % 64;
}

/* Adds a field of ComputeRequest, or a stranger's, and tells whether it reads as what it says. */
static bool put_random_field(struct bytes *message, uint64_t *state)
{
    static const unsigned fields[] = {WIDTH, 2, 6, 7, 12, 13, MODE, SCHEDULE, UNKNOWN};
    unsigned field = fields[next_random(state) % (sizeof fields / sizeof *fields)];
    uint64_t number = random_number(state);
    char text[8];

    if (next_random(state) % 4 != 0) {
        put_number(message, field, number);
        return (field != MODE && field != SCHEDULE) || (uint64_t)(int64_t)(int32_t)number == number;
    }
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(next_random(state) % 16);
    put_bytes(message, KERNEL, text, sizeof text);
    return memchr(text, 0, sizeof text) == NULL;
}

START_TEST(random_messages_are_refused_exactly_where_a_field_would_be_changed)
{
    uint64_t state = 1;
    unsigned refused = 0;

    for (int i = 0; i < 50000; i++) {
        struct bytes message = {.len = 0};
        bool good = true;

        for (uint64_t fields = next_random(&state) % 6; fields != 0; fields--)
            good &= put_random_field(&message, &state);
        ck_assert_int_eq(check(COMPUTE, &message), good ? WIRE_OK : WIRE_INVALID_ARGUMENT);
        refused += !good;
    }
    ck_assert_uint_gt(refused, 5000);
    ck_assert_uint_lt(refused, 45000);
}
END_TEST

/* What is taken is also what protobuf-c takes, or it is refused by one of both. */
START_TEST(mutated_messages_do_no_harm)
{
    uint64_t state = 2;

    for (int i = 0; i < 50000; i++) {
        struct bytes message = {.len = 0};
        ProtobufCMessage *read;

        for (int field = 0; field < 4; field++)
            (void)put_random_field(&message, &state);
        for (uint64_t flips = next_random(&state) % 4; flips != 0; flips--)
            message.data[next_random(&state) % message.len] ^= (uint8_t)(1u << next_random(&state) % 8);
        message.len -= next_random(&state) % 3;
        (void)check(COMPUTE, &message);
        read = protobuf_c_message_unpack(COMPUTE, NULL, message.len, message.data);
        if (read != NULL)
            protobuf_c_message_free_unpacked(read, NULL);
    }
}
END_TEST

/* The kinds of fields that the check does not look into. */
static void check_kinds(const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];

        ck_assert_int_ne(field->type, PROTOBUF_C_TYPE_SINT32);
        ck_assert(field->label != PROTOBUF_C_LABEL_REPEATED || field->type == PROTOBUF_C_TYPE_MESSAGE ||
                  field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES ||
                  field->type == PROTOBUF_C_TYPE_ENUM);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            check_kinds(field->descriptor);
    }
}

START_TEST(no_request_has_fields_that_the_check_does_not_look_into)
{
    static const ProtobufCServiceDescriptor *const services[] = {&tilery__v1__tile_compute__descriptor,
                                                                 &tilery__v1__health__descriptor,
                                                                 &tilery__v1__server__descriptor};

    check_kinds(&tilery__v1__rpc_request__descriptor);
    check_kinds(&tilery__v1__rpc_reply__descriptor);
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        for (unsigned m = 0; m < services[i]->n_methods; m++)
            check_kinds(services[i]->methods[m].input);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("check");

    tcase_add_loop_test(tests, a_number_wider_than_its_field_is_refused_with_name_value_and_range, 0,
                        sizeof numbers / sizeof *numbers);
    tcase_add_test(tests, each_number_of_a_list_has_to_fit);
    tcase_add_test(tests, a_number_that_is_none_of_its_enum_is_refused_with_the_first_and_the_last);
    tcase_add_test(tests, every_schedule_of_the_schema_is_one_of_the_engine_s);
    tcase_add_test(tests, a_number_of_more_than_64_bits_is_refused);
    tcase_add_loop_test(tests, text_with_a_nul_byte_is_refused_wherever_it_is, 0, 4);
    tcase_add_test(tests, numbers_inside_messages_are_looked_at_and_bytes_are_not);
    tcase_add_test(tests, fixed_width_fields_are_passed_over_whole);
    tcase_add_loop_test(tests, bytes_that_are_no_message_are_refused, 0, sizeof broken / sizeof *broken);
    tcase_add_test(tests, messages_nest_eight_deep_at_most);
    tcase_add_test(tests, random_messages_are_refused_exactly_where_a_field_would_be_changed);
    tcase_add_test(tests, mutated_messages_do_no_harm);
    tcase_add_test(tests, no_request_has_fields_that_the_check_does_not_look_into);
    return suite_run("check", tests);
}
