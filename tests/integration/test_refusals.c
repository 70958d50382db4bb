/* What a server and the client library do not take, each with the words it is refused in. */
#include <math.h>
#include <string.h>

#include "served.h"
#include "suite.h"

typedef struct tilery_compute_request Request;

static void check_refused(const Request *request, const char *message)
{
    tilery_stream *stream;

    check_status(served_compute(served.client, request, 0, NULL), TILERY_INVALID_ARGUMENT);
    ck_assert_str_eq(served.error.message, message);
    check_status(tilery_stream_open(served.client, request, NULL, &stream, &served.error),
                 TILERY_INVALID_ARGUMENT);
    ck_assert_ptr_null(stream);
    ck_assert_str_eq(served.error.message, message);
}

static const struct {
    size_t offset;
    uint64_t value;
    const char *message;
} bad_fields[] = {
    {offsetof(Request, width), 0, "width is 0; it must be from 1 to 65536"},
    {offsetof(Request, width), 65537, "width is 65537; it must be from 1 to 65536"},
    {offsetof(Request, width), UINT64_C(4294967296), "width is 4294967296; it must be from 1 to 65536"},
    {offsetof(Request, height), 0, "height is 0; it must be from 1 to 65536"},
    {offsetof(Request, height), UINT64_MAX, "height is 18446744073709551615; it must be from 1 to 65536"},
    {offsetof(Request, tile_w), 0, "tile_w is 0; it must be from 1 to 65536"},
    {offsetof(Request, tile_w), 65537, "tile_w is 65537; it must be from 1 to 65536"},
    {offsetof(Request, tile_h), 0, "tile_h is 0; it must be from 1 to 65536"},
    {offsetof(Request, tile_h), 65537, "tile_h is 65537; it must be from 1 to 65536"},
    {offsetof(Request, max_iter), 0, "max_iter is 0; it must be from 1 to 65535"},
    {offsetof(Request, max_iter), 65536, "max_iter is 65536; it must be from 1 to 65535"},
    {offsetof(Request, time_limit_ms), 600001, "time_limit_ms is 600001; it must be from 0 to 600000"},
    {offsetof(Request, num_threads), 0, "num_threads is 0; it must be from 1 to 256"},
    {offsetof(Request, num_threads), 257, "num_threads is 257; it must be from 1 to 256"},
    {offsetof(Request, first_task), 1048576, "first_task is 1048576; it must be from 0 to 1048575"},
    {offsetof(Request, first_task), 6, "first_task is 6; it must be from 0 to 5"},
    {offsetof(Request, task_count), 1048577, "task_count is 1048577; it must be from 1 to 1048576"},
    {offsetof(Request, task_count), 7, "task_count is 7; it must be from 1 to 6"},
};

START_TEST(a_field_out_of_its_range_is_refused_with_name_value_and_range)
{
    served_start(_i, 4, 8);
    for (size_t i = 0; i < sizeof bad_fields / sizeof *bad_fields; i++) {
        Request request = served_request(30, 20, 10, 10, 2);

        memcpy((char *)&request + bad_fields[i].offset, &bad_fields[i].value, sizeof(uint64_t));
        check_refused(&request, bad_fields[i].message);
    }
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
}
END_TEST

START_TEST(a_task_range_that_ends_behind_the_image_is_refused)
{
    Request request = served_request(30, 20, 10, 10, 2);

    served_start(_i, 4, 8);
    request.first_task = 4;
    request.task_count = 2;
    check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK);
    request.task_count = 3;
    check_refused(&request, "task_count is 3; it must be from 1 to 2");
}
END_TEST

START_TEST(more_tiles_than_a_million_are_refused_and_num_threads_is_no_matter_in_sequence)
{
    Request request = served_request(1025, 1024, 1, 1, 2);

    served_start(_i, 4, 8);
    check_refused(&request,
                  "width, height, tile_w and tile_h make 1049600 tiles; at most 1048576 are allowed");
    request = served_request(8, 8, 8, 8, 0);
    request.mode = TILERY_MODE_SEQUENTIAL;
    check_status(served_compute(served.client, &request, 0, NULL), TILERY_OK);
}
END_TEST

static const struct tilery_region bad_regions[] = {
    {-INFINITY, 0, 1, 1}, {0, NAN, 1, 1}, {0, 0, 0, 1},        {0, 0, 1, -0.0},
    {0, 0, -1, 1},        {0, 0, NAN, 1}, {0, 0, 1, INFINITY}, {0, 0, 1, -5e-324},
};

START_TEST(a_region_that_is_no_part_of_the_plane_is_refused)
{
    served_start(_i, 4, 8);
    for (size_t i = 0; i < sizeof bad_regions / sizeof *bad_regions; i++) {
        Request request = served_request(8, 8, 8, 8, 1);

        request.region = bad_regions[i];
        check_status(served_compute(served.client, &request, 0, NULL), TILERY_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(served.error.message, "region is "));
        ck_assert_ptr_nonnull(strstr(served.error.message, "must be finite"));
    }
}
END_TEST

START_TEST(an_unknown_kernel_is_refused_with_those_there_are)
{
    static const char *const unknown[] = {"abacus", "SCALAR", "", "scalar ", "\x1b[31m"};

    served_start(_i, 4, 8);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        Request request = served_request(8, 8, 8, 8, 1);

        request.kernel = unknown[i];
        check_status(served_compute(served.client, &request, 0, NULL), TILERY_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(served.error.message, "kernel is \""));
        ck_assert_ptr_nonnull(strstr(served.error.message, "; it must be one of auto, "));
        ck_assert_ptr_nonnull(strstr(served.error.message, "scalar"));
        ck_assert_ptr_null(strchr(served.error.message, '\x1b'));
    }
}
END_TEST

START_TEST(a_request_above_64_kib_is_refused_before_it_is_sent)
{
    static char kernel[70000];
    Request request = served_request(8, 8, 8, 8, 1);

    memset(kernel, 'k', sizeof kernel - 1);
    served_start(_i, 4, 8);
    request.kernel = kernel;
    check_status(served_compute(served.client, &request, 0, NULL), TILERY_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(served.error.message, "at most 65536 are allowed"));
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
}
END_TEST

/* 64 characters, and one more. */
#define LONGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDE~"

static const struct {
    const char *id, *message;
} bad_ids[] = {
    {LONGEST "x", "request_id has 65 characters; at most 64 are allowed"},
    {"two words", "request_id holds the byte 0x20; it must be printable ASCII without spaces"},
    {"line\n", "request_id holds the byte 0x0a; it must be printable ASCII without spaces"},
    {"\x7f", "request_id holds the byte 0x7f; it must be printable ASCII without spaces"},
    {"caf\xc3\xa9", "request_id holds the byte 0xc3; it must be printable ASCII without spaces"},
};

START_TEST(a_request_id_too_long_or_not_printable_is_refused)
{
    const Request request = served_request(8, 8, 8, 8, 1);

    served_start(_i, 4, 8);
    check_status(served_compute(served.client, &request, 0, LONGEST), TILERY_OK);
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
        check_status(served_compute(served.client, &request, 0, bad_ids[i].id), TILERY_INVALID_ARGUMENT);
        ck_assert_str_eq(served.error.message, bad_ids[i].message);
    }
}
END_TEST

START_TEST(a_stream_s_request_id_too_long_or_not_printable_is_refused)
{
    const Request request = served_request(8, 8, 8, 8, 1);

    served_start(_i, 4, 8);
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
        const struct tilery_call_options options = {.request_id = bad_ids[i].id};
        tilery_stream *stream;

        check_status(tilery_stream_open(served.client, &request, &options, &stream, &served.error),
                     TILERY_INVALID_ARGUMENT);
        ck_assert_str_eq(served.error.message, bad_ids[i].message);
    }
}
END_TEST

/* An id has 1 to 64 characters, so it may be refused; but a stream that was opened can be read. */
START_TEST(a_stream_with_an_empty_request_id_is_refused_or_readable)
{
    const Request request = served_request(8, 8, 8, 8, 1);
    const struct tilery_call_options options = {.request_id = ""};
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served_start(_i, 4, 8);
    if (tilery_stream_open(served.client, &request, &options, &stream, &served.error) == TILERY_OK) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        tilery_stream_close(stream);
    } else {
        ck_assert_int_eq(served.error.status, TILERY_INVALID_ARGUMENT);
    }
}
END_TEST

START_TEST(a_request_id_in_use_is_refused_and_free_again_after_the_end)
{
    const Request small = served_request(8, 8, 8, 8, 1), endless = served_endless();
    const struct tilery_call_options options = {.request_id = "mine"};
    tilery_stream *stream, *second;

    served_start(_i, 4, 8);
    stream = served_stream(&endless, "mine");
    check_status(served_compute(served.client, &small, 0, "mine"), TILERY_ALREADY_EXISTS);
    ck_assert_str_eq(served.error.message, "request_id \"mine\" is in use");
    check_status(tilery_stream_open(served.client, &small, &options, &second, &served.error),
                 TILERY_ALREADY_EXISTS);
    check_status(served_compute(served.client, &small, 0, "yours"), TILERY_OK);
    tilery_stream_close(stream);
    while (served_compute(served.client, &small, 0, "mine") == TILERY_ALREADY_EXISTS)
        continue;
    check_status(served_compute(served.client, &small, 0, "mine"), TILERY_OK);
}
END_TEST

START_TEST(a_request_that_finds_the_queue_full_is_told_when_to_try_again)
{
    const Request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending waiting;
    tilery_stream *stream, *second;

    served_start(_i, 1, 1);
    stream = served_stream(&endless, "occupant");
    second = served_stream(&small, "waiting");
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(served.error.message, "the queue is full (--max-queue is 1); try again");
    ck_assert_uint_gt(served.error.retry_after_ms, 0);
    tilery_stream_close(second);
    ending_of(&waiting, served.client, &small, 0, NULL);
    tilery_stream_close(stream);
    ck_assert_int_eq(ending_wait(&waiting), TILERY_OK);
}
END_TEST

START_TEST(cancel_needs_a_request_id_and_knows_no_strangers)
{
    bool found = true;

    served_start(_i, 4, 8);
    check_status(tilery_cancel(served.client, "nobody", NULL, &found, &served.error), TILERY_OK);
    ck_assert(!found);
    check_status(tilery_cancel(served.client, "", NULL, &found, &served.error), TILERY_INVALID_ARGUMENT);
    check_status(tilery_cancel(served.client, NULL, NULL, &found, &served.error), TILERY_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(served.error.message, "request_id is empty"));
}
END_TEST

/* NULL ends the list. */
#define MANY 300

struct ends {
    sem_t over;
    atomic_uint by_status[17];
};

static void note_end(void *arg, tilery_result *result, const struct tilery_error *error)
{
    struct ends *ends = arg;

    tilery_result_free(result);
    atomic_fetch_add(&ends->by_status[error != NULL ? error->status : TILERY_OK], 1);
    sem_post(&ends->over);
}

/* A bridge's whole load comes over one connection. */
START_TEST(more_requests_of_one_connection_than_are_taken_are_refused_and_none_is_lost)
{
    const Request request = served_request(30, 20, 10, 10, 2);
    struct ends ends = {.by_status = {0}};
    tilery_client *client;

    served_start(_i, 2, 4);
    client = served_connect_once(served.url);
    sem_init(&ends.over, 0, 0);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < MANY; i++)
            check_status(tilery_compute_async(client, &request, NULL, note_end, &ends, &served.error),
                         TILERY_OK);
        for (int i = 0; i < MANY; i++)
            sem_wait(&ends.over);
    }
    ck_assert_uint_ne(ends.by_status[TILERY_OK], 0);
    ck_assert_uint_ne(ends.by_status[TILERY_RESOURCE_EXHAUSTED], 0);
    ck_assert_uint_eq(ends.by_status[TILERY_OK] + ends.by_status[TILERY_RESOURCE_EXHAUSTED], 10 * MANY);
    tilery_client_close(client);
    sem_destroy(&ends.over);
}
END_TEST

static void check_not_started(const char *const *listen, enum wire_status wanted, const char *words)
{
    struct daemon_options options = DAEMON_DEFAULTS;
    struct wire_error error;
    struct daemon *daemon;

    options.listen = listen;
    while (listen[options.listen_count] != NULL)
        options.listen_count++;
    ck_assert_int_eq(daemon_start(&options, &daemon, &error), wanted);
    ck_assert_ptr_null(daemon);
    ck_assert_msg(strstr(error.message, words) != NULL, "%s", error.message);
}

START_TEST(a_server_that_cannot_listen_does_not_start_and_says_where)
{
    served_start(_i, 4, 8);
    check_not_started((const char *[]){served.url, NULL}, WIRE_UNAVAILABLE, served.url);
    check_not_started((const char *[]){"nonsense", NULL}, WIRE_INVALID_ARGUMENT, "\"nonsense\"");
    check_not_started((const char *[]){NULL}, WIRE_INVALID_ARGUMENT, "0 addresses");
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("refusals");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_field_out_of_its_range_is_refused_with_name_value_and_range, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_task_range_that_ends_behind_the_image_is_refused, 0, TRANSPORTS);
    tcase_add_loop_test(tests, more_tiles_than_a_million_are_refused_and_num_threads_is_no_matter_in_sequence,
                        0, TRANSPORTS);
    tcase_add_loop_test(tests, a_region_that_is_no_part_of_the_plane_is_refused, 0, TRANSPORTS);
    tcase_add_loop_test(tests, an_unknown_kernel_is_refused_with_those_there_are, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_request_above_64_kib_is_refused_before_it_is_sent, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_request_id_too_long_or_not_printable_is_refused, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_s_request_id_too_long_or_not_printable_is_refused, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_stream_with_an_empty_request_id_is_refused_or_readable, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_request_id_in_use_is_refused_and_free_again_after_the_end, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_request_that_finds_the_queue_full_is_told_when_to_try_again, 0, TRANSPORTS);
    tcase_add_loop_test(tests, more_requests_of_one_connection_than_are_taken_are_refused_and_none_is_lost, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, cancel_needs_a_request_id_and_knows_no_strangers, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_server_that_cannot_listen_does_not_start_and_says_where, 0, TRANSPORTS);
    return suite_run("refusals", tests);
}
