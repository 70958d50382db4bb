/* What a stream gets over, and what not, by the answers of a server to its NextTiles and OpenStream. */
#include <string.h>

#include "fake.h"
#include "served.h"
#include "suite.h"

#include "compute.pb-c.h"

/* Of a stream whose first polls are all cut off, and the tiles that it has. */
#define CUTS 8
#define TILES 8
#define MIB (UINT64_C(1) << 20)

typedef Tilery__V1__NextTilesRequest NextTilesRequest;

struct asked {
    unsigned opens, polls;
};

/* What the polls asked for, in bytes. */
struct batches {
    uint64_t asked[CUTS + TILES];
    unsigned count;
};

static bool is(const struct wire_request *request, const char *method)
{
    return strcmp(strchr(request->method, '/') + 1, method) == 0;
}

static const struct fake_answer unknown = {.status = WIRE_UNIMPLEMENTED,
                                           .message = "a fake does not do this"};

/* Tells how the stream ended. */
static enum tilery_status read_stream(fake_answer_fn *answer, struct asked *asked)
{
    const struct tilery_compute_request two_tiles = served_request(8, 4, 4, 4, 1);
    const struct tilery_call_options patient = {.wait_for_ready = true};
    struct fake *fake = fake_start(NULL, answer, asked);
    const struct tilery_tile *tile;
    enum tilery_status status;
    tilery_stream *stream;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_stream_open(served.client, &two_tiles, &patient, &stream, &served.error), TILERY_OK);
    status = tilery_stream_next(stream, &tile, &served.error);
    tilery_stream_close(stream);
    served_disconnect();
    fake_stop(fake);
    return status;
}

/* It was cut off, does not know the stream any more, and is still about to end the run of that name. */
static struct fake_answer busy_with_the_old_run(void *arg, const struct wire_request *request,
                                                unsigned number)
{
    struct asked *asked = arg;

    (void)number;
    if (is(request, "NextTiles"))
        return asked->polls++ == 0
                   ? (struct fake_answer){.cut = true}
                   : (struct fake_answer){.status = WIRE_NOT_FOUND, .message = "its lease ran out"};
    if (!is(request, "OpenStream"))
        return unknown;
    switch (++asked->opens) {
    case 1:
        return fake_opened(NULL, 2, 60000);
    case 2:
        return (struct fake_answer){.status = WIRE_ALREADY_EXISTS, .message = "stream is in use"};
    default:
        return (struct fake_answer){.status = WIRE_PERMISSION_DENIED, .message = "the third"};
    }
}

START_TEST(it_is_begun_anew_once_its_name_is_free_again)
{
    struct asked asked = {0};

    check_status(read_stream(busy_with_the_old_run, &asked), TILERY_PERMISSION_DENIED);
    ck_assert_uint_eq(asked.opens, 3);
}
END_TEST

/* It cuts every connection within a batch, and so renews the lease of a stream of which nothing arrives. */
static struct fake_answer cut_within_batches(void *arg, const struct wire_request *request, unsigned number)
{
    struct asked *asked = arg;

    (void)number;
    if (is(request, "NextTiles"))
        return (struct fake_answer){.cut = true};
    if (!is(request, "OpenStream"))
        return unknown;
    return asked->opens++ == 0
               ? fake_opened(NULL, 2, 300)
               : (struct fake_answer){.status = WIRE_ALREADY_EXISTS, .message = "\"stream\" is in use"};
}

START_TEST(one_of_which_nothing_arrives_is_unavailable_and_not_in_its_own_way)
{
    struct asked asked = {0};

    check_status(read_stream(cut_within_batches, &asked), TILERY_UNAVAILABLE);
    ck_assert_uint_gt(asked.opens, 1);
    ck_assert_ptr_nonnull(strstr(served.error.message, " was lost"));
    ck_assert_ptr_nonnull(strstr(served.error.message, "anew: \"stream\" is in use"));
}
END_TEST

static struct fake_answer cut_and_give_tiles(void *arg, const struct wire_request *request, unsigned number)
{
    struct batches *batches = arg;
    NextTilesRequest *next;
    uint64_t cursor;

    (void)number;
    if (is(request, "OpenStream"))
        return fake_opened(NULL, TILES, 60000);
    if (!is(request, "NextTiles"))
        return unknown;
    next = tilery__v1__next_tiles_request__unpack(NULL, request->payload_len, request->payload);
    ck_assert_ptr_nonnull(next);
    cursor = next->cursor;
    ck_assert_uint_lt(batches->count, CUTS + TILES);
    batches->asked[batches->count++] = next->max_bytes;
    tilery__v1__next_tiles_request__free_unpacked(next, NULL);
    return batches->count <= CUTS ? (struct fake_answer){.cut = true} : fake_tiles(cursor, 1, TILES);
}

/* By half after each that did not arrive, down to 16 KiB; and up again after each that did. */
START_TEST(one_whose_batches_are_lost_asks_for_smaller_ones)
{
    const struct tilery_compute_request request = served_request(4 * TILES, 4, 4, 4, 1);
    struct batches batches = {.count = 0};
    struct fake *fake = fake_start(NULL, cut_and_give_tiles, &batches);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_stream_open(served.client, &request, NULL, &stream, &served.error), TILERY_OK);
    do
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
    while (tile != NULL);
    ck_assert_uint_eq(tilery_stream_tiles_received(stream), TILES);
    tilery_stream_close(stream);
    served_disconnect();
    fake_stop(fake);
    ck_assert_uint_eq(batches.count, CUTS + TILES);
    ck_assert_uint_eq(batches.asked[0], MIB);
    for (unsigned i = 1; i < 6; i++)
        ck_assert_uint_le(batches.asked[i], MIB >> i); /* there may be polls that no server saw */
    for (unsigned i = 0; i < 6; i++)
        ck_assert_uint_eq(batches.asked[CUTS + i], MIB >> (6 - i));
    for (unsigned i = 6; i < TILES; i++)
        ck_assert_uint_eq(batches.asked[CUTS + i], MIB);
}
END_TEST

static struct fake_answer cut_at_first(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)request;
    if (number == 1)
        return (struct fake_answer){.cut = true};
    return (struct fake_answer){.status = WIRE_ALREADY_EXISTS, .message = "in use"};
}

/* The caller's own name may be in use by another call. */
START_TEST(one_whose_opening_was_cut_off_is_in_use_only_where_the_caller_named_it)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    const struct tilery_call_options call = {.request_id = _i != 0 ? "mine" : NULL, .wait_for_ready = true};
    struct fake *fake = fake_start(NULL, cut_at_first, NULL);
    const struct tilery_client_options options = {.server = fake_url(fake), .max_attempts = 2};
    tilery_stream *stream;

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_stream_open(served.client, &small, &call, &stream, &served.error),
                 _i != 0 ? TILERY_ALREADY_EXISTS : TILERY_UNAVAILABLE);
    ck_assert_uint_eq(fake_requests(fake), 2);
    ck_assert_ptr_nonnull(strstr(served.error.message, "in use"));
    served_disconnect();
    fake_stop(fake);
}
END_TEST

static struct fake_answer unread(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)number;
    if (is(request, "OpenStream"))
        return fake_opened(NULL, 2, 500);
    return (struct fake_answer){.silent = true};
}

/* It says when to ask again where that helps. */
static struct fake_answer out_of_memory(void *arg, const struct wire_request *request, unsigned number)
{
    struct asked *asked = arg;

    (void)number;
    if (is(request, "OpenStream"))
        return fake_opened(NULL, 2, 60000);
    if (!is(request, "NextTiles"))
        return unknown;
    return (struct fake_answer){.status = WIRE_RESOURCE_EXHAUSTED,
                                .message = "no memory",
                                .retry_after_ms = ++asked->polls < 3 ? 1 : 0};
}

START_TEST(one_that_has_failed_for_good_is_not_asked_again)
{
    struct asked asked = {0};

    check_status(read_stream(out_of_memory, &asked), TILERY_RESOURCE_EXHAUSTED);
    ck_assert_uint_eq(asked.polls, 3);
}
END_TEST

static const Tilery__V1__NextTilesReply ended = {
    .base = PROTOBUF_C_MESSAGE_INIT(&tilery__v1__next_tiles_reply__descriptor), .has_done = 1, .done = 1};

/* It says that all has come, of which nothing has. */
static struct fake_answer done_early(void *arg, const struct wire_request *request, unsigned number)
{
    (void)arg;
    (void)number;
    if (is(request, "OpenStream"))
        return fake_opened(NULL, 2, 500);
    return is(request, "NextTiles") ? (struct fake_answer){.payload = &ended.base} : unknown;
}

START_TEST(one_whose_server_leaves_tiles_out_has_not_ended_well)
{
    struct asked asked = {0};

    check_status(read_stream(done_early, &asked), TILERY_INTERNAL);
    ck_assert_str_eq(served.error.message, "the stream ended after 0 of 2 tiles");
}
END_TEST

static void count_attempts(void *arg, const struct tilery_attempt *attempt)
{
    ck_assert_msg(attempt->number != 0, "%s: %s", attempt->method, tilery_status_name(attempt->status));
    atomic_fetch_add((atomic_uint *)arg, 1);
}

/* Until its lease is over it looks for a connection every 20 ms, and asks nobody. */
START_TEST(one_whose_server_is_gone_tells_of_no_attempts)
{
    static atomic_uint told;
    const struct tilery_compute_request small = served_request(16, 8, 8, 8, 1);
    struct fake *fake = fake_start(NULL, unread, NULL);
    const struct tilery_client_options options = {
        .server = fake_url(fake), .on_attempt = count_attempts, .on_attempt_arg = &told};
    const struct tilery_tile *tile;
    tilery_stream *stream;

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_stream_open(served.client, &small, NULL, &stream, &served.error), TILERY_OK);
    fake_stop(fake);
    check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_UNAVAILABLE);
    tilery_stream_close(stream);
    ck_assert_uint_ge(atomic_load(&told), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("recovery");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, it_is_begun_anew_once_its_name_is_free_again);
    tcase_add_test(tests, one_of_which_nothing_arrives_is_unavailable_and_not_in_its_own_way);
    tcase_add_test(tests, one_whose_batches_are_lost_asks_for_smaller_ones);
    tcase_add_loop_test(tests, one_whose_opening_was_cut_off_is_in_use_only_where_the_caller_named_it, 0, 2);
    tcase_add_test(tests, one_that_has_failed_for_good_is_not_asked_again);
    tcase_add_test(tests, one_whose_server_leaves_tiles_out_has_not_ended_well);
    tcase_add_test(tests, one_whose_server_is_gone_tells_of_no_attempts);
    return suite_run("recovery", tests);
}
