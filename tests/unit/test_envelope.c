#include "wire/envelope.h"

#include <string.h>

#include "wire/limits.h"

#include "compute.pb-c.h"
#include "suite.h"

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

static const struct wire_metadata metadata[] = {{"traceparent", "00-ab-cd-01"}, {"empty", ""}};

static const struct wire_request request = {.method = "tilery.v1.TileCompute/Compute",
                                            .has_timeout = true,
                                            .timeout_ms = UINT64_MAX,
                                            .request_id = "0123456789abcdef",
                                            .metadata = metadata,
                                            .metadata_count = 2};

static const struct wire_reply reply = {.status = WIRE_RESOURCE_EXHAUSTED,
                                        .message = "all 8 threads are taken",
                                        .retry_after_ms = 250,
                                        .queue_ns = 1,
                                        .run_ns = UINT64_MAX};

/* A frame around len bytes of payload 0, 1, 2, ...; it must end where the packer's size said. Ends with free.
 */
static uint8_t *frame_around(uint8_t *frame, uint8_t *payload, size_t size, size_t len)
{
    ck_assert_ptr_eq(payload + len, frame + size);
    for (size_t i = 0; i < len; i++)
        payload[i] = (uint8_t)i;
    return frame;
}

static uint8_t *request_frame(const struct wire_request *head, size_t len, size_t *size)
{
    uint8_t *frame = malloc(*size = wire_request_size(head, len));

    ck_assert_ptr_nonnull(frame);
    return frame_around(frame, wire_request_pack(head, len, frame), *size, len);
}

static uint8_t *reply_frame(const struct wire_reply *head, size_t len, size_t *size)
{
    uint8_t *frame = malloc(*size = wire_reply_size(head, len));

    ck_assert_ptr_nonnull(frame);
    return frame_around(frame, wire_reply_pack(head, len, frame), *size, len);
}

static void check_payload(const uint8_t *payload, size_t payload_len, size_t len)
{
    ck_assert_uint_eq(payload_len, len);
    for (size_t i = 0; i < len; i++)
        ck_assert_uint_eq(payload[i], (uint8_t)i);
}

/* Around where the length takes one byte more. */
static const size_t payload_lengths[] = {0, 1, 127, 128, 16383, 16384, 60000};

START_TEST(a_request_comes_back_as_it_was_packed)
{
    size_t len = payload_lengths[_i], size;
    uint8_t *frame = request_frame(&request, len, &size);
    struct wire_request got;

    ck_assert_int_eq(wire_request_unpack(&arena, frame, size, &got, &error), WIRE_OK);
    ck_assert_str_eq(got.method, request.method);
    ck_assert(got.has_timeout);
    ck_assert_uint_eq(got.timeout_ms, UINT64_MAX);
    ck_assert_str_eq(got.request_id, request.request_id);
    ck_assert_uint_eq(got.metadata_count, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_str_eq(got.metadata[i].key, metadata[i].key);
        ck_assert_str_eq(got.metadata[i].value, metadata[i].value);
    }
    check_payload(got.payload, got.payload_len, len);
    free(frame);
}
END_TEST

START_TEST(a_reply_comes_back_as_it_was_packed)
{
    size_t len = payload_lengths[_i], size;
    uint8_t *frame = reply_frame(&reply, len, &size);
    struct wire_reply got;

    ck_assert_int_eq(wire_reply_unpack(&arena, frame, size, &got, &error), WIRE_OK);
    ck_assert_int_eq(got.status, WIRE_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(got.message, reply.message);
    ck_assert_uint_eq(got.retry_after_ms, 250);
    ck_assert_uint_eq(got.queue_ns, 1);
    ck_assert_uint_eq(got.run_ns, UINT64_MAX);
    check_payload(got.payload, got.payload_len, len);
    free(frame);
}
END_TEST

START_TEST(a_reply_s_payload_that_comes_last_stays_where_it_is)
{
    size_t size;
    uint8_t *frame = reply_frame(&reply, 300, &size);
    struct wire_reply got;

    ck_assert_int_eq(wire_reply_unpack(&arena, frame, size, &got, &error), WIRE_OK);
    ck_assert_ptr_eq(got.payload, frame + size - 300);
    free(frame);
}
END_TEST

/* Payload "ab", "cd", and a queue_ns of 5 before, between or after them: the last payload counts. */
START_TEST(a_reply_s_payload_is_found_wherever_it_comes)
{
    static const char *const frames[] = {"\x28\x05\x1a\x02"
                                         "ab",
                                         "\x1a\x02"
                                         "ab\x28\x05",
                                         "\x1a\x02"
                                         "cd\x28\x05\x1a\x02"
                                         "ab",
                                         "\x1a\x02"
                                         "cd\x1a\x02"
                                         "ab\x28\x05"};
    const char *frame = frames[_i];
    struct wire_reply got;

    ck_assert_int_eq(wire_reply_unpack(&arena, (const uint8_t *)frame, strlen(frame), &got, &error), WIRE_OK);
    ck_assert_uint_eq(got.payload_len, 2);
    ck_assert_mem_eq(got.payload, "ab", 2);
    ck_assert_uint_eq(got.queue_ns, 5);
}
END_TEST

START_TEST(what_is_absent_is_empty)
{
    struct wire_request got;
    struct wire_reply answer;

    ck_assert_int_eq(wire_request_unpack(&arena, (const uint8_t *)"", 0, &got, &error), WIRE_OK);
    ck_assert_str_eq(got.method, "");
    ck_assert_str_eq(got.request_id, "");
    ck_assert(!got.has_timeout);
    ck_assert_uint_eq(got.payload_len + got.metadata_count, 0);
    ck_assert_int_eq(wire_reply_unpack(&arena, (const uint8_t *)"", 0, &answer, &error), WIRE_OK);
    ck_assert_int_eq(answer.status, WIRE_OK);
    ck_assert_str_eq(answer.message, "");
    ck_assert_uint_eq(answer.payload_len + answer.retry_after_ms + answer.queue_ns + answer.run_ns, 0);
}
END_TEST

/* Unpacks a copy that ends where its memory ends, so that a sanitizer sees any step beyond. */
static void unpack_both(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);
    struct wire_request got;
    struct wire_reply answer;
    enum wire_status status;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    wire_arena_reset(&arena);
    status = wire_request_unpack(&arena, copy, len, &got, &error);
    ck_assert(status == WIRE_OK || status == WIRE_INVALID_ARGUMENT);
    ck_assert(status == WIRE_OK || error.status == status);
    status = wire_reply_unpack(&arena, copy, len, &answer, &error);
    ck_assert(status == WIRE_OK || (status == WIRE_INTERNAL && error.status == status));
    ck_assert_uint_le(arena.taken, arena.budget);
    free(copy);
}

START_TEST(frames_cut_at_any_length_do_no_harm)
{
    size_t size, reply_size;
    uint8_t *frame = request_frame(&request, 300, &size), *answer = reply_frame(&reply, 300, &reply_size);

    for (size_t len = 0; len <= size; len++)
        unpack_both(frame, len);
    for (size_t len = 0; len <= reply_size; len++)
        unpack_both(answer, len);
    free(answer);
    free(frame);
}
END_TEST

START_TEST(a_frame_cut_within_its_payload_is_refused)
{
    struct wire_request got;
    struct wire_reply answer;
    size_t size;
    uint8_t *frame = request_frame(&request, 300, &size);

    for (size_t cut = 1; cut <= 300; cut++)
        ck_assert_int_eq(wire_request_unpack(&arena, frame, size - cut, &got, &error), WIRE_INVALID_ARGUMENT);
    free(frame);
    frame = reply_frame(&reply, 300, &size);
    for (size_t cut = 1; cut <= 300; cut++)
        ck_assert_int_eq(wire_reply_unpack(&arena, frame, size - cut, &answer, &error), WIRE_INTERNAL);
    free(frame);
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

START_TEST(garbage_does_no_harm)
{
    uint32_t state = 1;
    uint8_t bytes[64];

    for (int i = 0; i < 20000; i++) {
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = (uint8_t)next_random(&state);
        unpack_both(bytes, next_random(&state) % (sizeof bytes + 1));
    }
}
END_TEST

START_TEST(frames_with_any_bit_flipped_do_no_harm)
{
    size_t size;
    uint8_t *frame = request_frame(&request, 20, &size);

    for (size_t bit = 0; bit < 8 * size; bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        unpack_both(frame, size);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(frame);
}
END_TEST

START_TEST(text_is_not_a_request)
{
    struct wire_request got;

    ck_assert_int_eq(wire_request_unpack(&arena, (const uint8_t *)"GET / HTTP/1.1", 14, &got, &error),
                     WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, "the request is not a tilery.v1.RpcRequest");
    ck_assert_str_eq(got.method, "");
}
END_TEST

static Tilery__V1__TaskRecord task_record(uint32_t task_id)
{
    Tilery__V1__TaskRecord record = TILERY__V1__TASK_RECORD__INIT;

    record.has_task_id = record.has_start_time_ns = true;
    record.task_id = task_id;
    record.start_time_ns = (uint64_t)task_id * UINT64_C(1000000007);
    return record;
}

START_TEST(elements_packed_one_by_one_are_the_repeated_field)
{
    enum { COUNT = 40 };
    Tilery__V1__ComputeReply list = TILERY__V1__COMPUTE_REPLY__INIT;
    Tilery__V1__TaskRecord records[COUNT], *pointers[COUNT];
    uint8_t expected[4096], packed[4096], *end = packed;

    for (uint32_t i = 0; i < COUNT; i++) {
        size_t size;

        records[i] = task_record(i * 5);
        pointers[i] = &records[i];
        size = wire_element_size(&records[i].base);
        ck_assert_ptr_eq(wire_element_pack(1, &records[i].base, end), end + size);
        end += size;
    }
    list.records = pointers;
    list.n_records = COUNT;
    ck_assert_uint_eq(tilery__v1__compute_reply__pack(&list, expected), (size_t)(end - packed));
    ck_assert_mem_eq(packed, expected, (size_t)(end - packed));
}
END_TEST

START_TEST(long_and_empty_elements_are_packed_alike_too)
{
    static uint8_t data[20000], expected[21000], packed[21000];
    Tilery__V1__NextTilesReply list = TILERY__V1__NEXT_TILES_REPLY__INIT;
    Tilery__V1__TileUpdate tile = TILERY__V1__TILE_UPDATE__INIT, *pointer = &tile;

    list.tiles = &pointer;
    list.n_tiles = 1;
    for (size_t len = 0; len <= sizeof data; len += 20) {
        size_t size;

        tile.has_data = len != 0;
        tile.data = (ProtobufCBinaryData){.len = len, .data = data};
        size = (size_t)(wire_element_pack(1, &tile.base, packed) - packed);
        ck_assert_uint_eq(size, wire_element_size(&tile.base));
        ck_assert_uint_eq(size, tilery__v1__next_tiles_reply__pack(&list, expected));
        ck_assert_mem_eq(packed, expected, size);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("envelope");
    int lengths = sizeof payload_lengths / sizeof *payload_lengths;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_request_comes_back_as_it_was_packed, 0, lengths);
    tcase_add_loop_test(tests, a_reply_comes_back_as_it_was_packed, 0, lengths);
    tcase_add_test(tests, a_reply_s_payload_that_comes_last_stays_where_it_is);
    tcase_add_loop_test(tests, a_reply_s_payload_is_found_wherever_it_comes, 0, 4);
    tcase_add_test(tests, what_is_absent_is_empty);
    tcase_add_test(tests, frames_cut_at_any_length_do_no_harm);
    tcase_add_test(tests, a_frame_cut_within_its_payload_is_refused);
    tcase_add_test(tests, garbage_does_no_harm);
    tcase_add_test(tests, frames_with_any_bit_flipped_do_no_harm);
    tcase_add_test(tests, text_is_not_a_request);
    tcase_add_test(tests, elements_packed_one_by_one_are_the_repeated_field);
    tcase_add_test(tests, long_and_empty_elements_are_packed_alike_too);
    return suite_run("envelope", tests);
}
