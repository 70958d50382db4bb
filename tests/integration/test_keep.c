/* Streams whose reader pauses: with and without their lease being renewed. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "fake.h"
#include "picture.h"
#include "served.h"
#include "suite.h"

#include "compute.pb-c.h"

#define LOOKS 5

typedef Tilery__V1__NextTilesRequest NextTilesRequest;

/* A server of two tiles of 4 x 4 pixels, one a poll, and of how it was asked. */
struct keeper {
    atomic_uint renewals;
    atomic_ullong cursor; /* of the last renewal */
    enum wire_status status;
    atomic_uint cancels, refused_cancels; /* the first ones */
};

static struct fake_answer answer_cancel(struct keeper *keeper)
{
    static Tilery__V1__CancelReply reply = TILERY__V1__CANCEL_REPLY__INIT;

    if (atomic_fetch_add(&keeper->cancels, 1) >= atomic_load(&keeper->refused_cancels))
        return (struct fake_answer){.payload = &reply.base};
    return (struct fake_answer){.status = WIRE_RESOURCE_EXHAUSTED, .message = "busy", .retry_after_ms = 1};
}

static struct fake_answer answer(void *arg, const struct wire_request *request, unsigned number)
{
    struct keeper *keeper = arg;
    NextTilesRequest *next;
    uint64_t cursor;
    bool renewal;

    (void)number;
    if (strstr(request->method, "OpenStream") != NULL)
        return fake_opened(NULL, 2, 300);
    if (strstr(request->method, "Cancel") != NULL)
        return answer_cancel(keeper);
    if (strstr(request->method, "NextTiles") == NULL)
        return (struct fake_answer){.status = WIRE_UNIMPLEMENTED, .message = "a fake does not do this"};
    next = tilery__v1__next_tiles_request__unpack(NULL, request->payload_len, request->payload);
    ck_assert_ptr_nonnull(next);
    cursor = next->cursor;
    renewal = next->max_bytes == 0;
    tilery__v1__next_tiles_request__free_unpacked(next, NULL);
    if (!renewal)
        return fake_tiles(cursor, 1, 2);
    atomic_store(&keeper->cursor, cursor);
    atomic_fetch_add(&keeper->renewals, 1);
    if (keeper->status != WIRE_OK)
        return (struct fake_answer){.status = keeper->status, .message = "as the test wants it"};
    return fake_tiles(cursor, 0, 2);
}

static const enum wire_status statuses[] = {WIRE_OK, WIRE_RESOURCE_EXHAUSTED, WIRE_NOT_FOUND};

/* Whatever becomes of the renewals: the reader goes on where it was. */
START_TEST(the_lease_is_renewed_while_the_reader_pauses)
{
    const struct tilery_compute_request request = served_request(8, 4, 4, 4, 1);
    struct keeper keeper = {.status = statuses[_i]};
    struct fake *fake = fake_start(NULL, answer, &keeper);
    const struct tilery_tile *tile;
    tilery_stream *stream;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_stream_open(served.client, &request, NULL, &stream, &served.error), TILERY_OK);
    tilery_stream_keep(stream, 600000);
    for (unsigned i = 0; i < 2; i++) {
        check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
        ck_assert_ptr_nonnull(tile);
        ck_assert_uint_eq(tile->task_id, i);
        if (i == 0)
            fake_wait(fake, fake_requests(fake) + LOOKS);
    }
    ck_assert_uint_ge(atomic_load(&keeper.renewals),
                      LOOKS - 1); /* the poll of the second tile is the other */
    ck_assert_uint_eq(atomic_load(&keeper.cursor), 1);
    check_status(tilery_stream_next(stream, &tile, &served.error), TILERY_OK);
    ck_assert_ptr_null(tile);
    tilery_stream_close(stream);
    tilery_client_close(served.client);
    served.client = NULL;
    fake_stop(fake);
}
END_TEST

/* In the middle of a renewal, too, as the fake does not answer any. */
static struct fake_answer answer_no_renewal(void *arg, const struct wire_request *request, unsigned number)
{
    struct keeper *keeper = arg;
    unsigned before = atomic_load(&keeper->renewals);
    struct fake_answer given = answer(arg, request, number);

    given.silent = atomic_load(&keeper->renewals) != before;
    return given;
}

START_TEST(a_kept_stream_is_dropped_and_its_client_closed)
{
    const struct tilery_compute_request request = served_request(8, 4, 4, 4, 1);
    struct keeper keeper = {.status = WIRE_OK};
    struct fake *fake = fake_start(NULL, _i % 2 != 0 ? answer_no_renewal : answer, &keeper);
    tilery_stream *stream;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_stream_open(served.client, &request, NULL, &stream, &served.error), TILERY_OK);
    tilery_stream_keep(stream, 600000);
    tilery_stream_keep(stream, 0);
    tilery_stream_keep(stream, 600000);
    if (_i < 4)
        while (atomic_load(&keeper.renewals) == 0)
            sched_yield();
    if (_i / 2 % 2 != 0)
        (void)tilery_stream_drop(stream);
    tilery_client_close(served.client);
    served.client = NULL;
    if (_i / 2 % 2 == 0)
        tilery_stream_close(stream);
    fake_stop(fake);
}
END_TEST

/* Also by a client whose calls make no pauses. */
START_TEST(a_busy_server_is_told_of_a_dropped_stream_until_it_listens)
{
    const struct tilery_compute_request request = served_request(8, 4, 4, 4, 1);
    struct keeper keeper = {.refused_cancels = 2};
    struct fake *fake = fake_start(NULL, answer, &keeper);
    const struct tilery_client_options options = {.server = fake_url(fake), .no_pauses = _i != 0};
    tilery_stream *stream;

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_stream_open(served.client, &request, NULL, &stream, &served.error), TILERY_OK);
    tilery_stream_close(stream); /* which waits for that */
    ck_assert_uint_eq(atomic_load(&keeper.cancels), 3);
    tilery_client_close(served.client);
    served.client = NULL;
    fake_stop(fake);
}
END_TEST

/* Takes the lease's ten seconds. */
START_TEST(a_server_drops_what_nobody_reads_but_what_is_kept)
{
    struct tilery_compute_request request = served_request(2048, 2048, 128, 128, 1);
    struct picture kept_picture, left_picture;
    tilery_stream *kept, *left;
    uint64_t streams;

    request.max_iter = 20;
    served_start(_i, 8, 8);
    kept_picture = picture_of(&request);
    left_picture = picture_of(&request);
    kept = served_stream(&request, "kept");
    left = served_stream(&request, "left");
    tilery_stream_keep(kept, 60000);
    while ((streams = served_streams()) == 2)
        served_pause();
    ck_assert_uint_eq(streams, 1);
    check_status(picture_read(&left_picture, left), TILERY_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(served.error.message, "longer than its lease, 10000 ms"));
    check_status(picture_read(&kept_picture, kept), TILERY_OK);
    picture_check(&kept_picture, 0, (uint32_t)kept_picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_summary(kept).tiles_done, kept_picture.grid.tiles);
    tilery_stream_close(kept);
    tilery_stream_close(left);
    picture_free(&kept_picture);
    picture_free(&left_picture);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("keep");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_lease_is_renewed_while_the_reader_pauses, 0,
                        sizeof statuses / sizeof *statuses);
    tcase_add_loop_test(tests, a_kept_stream_is_dropped_and_its_client_closed, 0, 6);
    tcase_add_loop_test(tests, a_busy_server_is_told_of_a_dropped_stream_until_it_listens, 0, 2);
    tcase_add_loop_test(tests, a_server_drops_what_nobody_reads_but_what_is_kept, 0, TRANSPORTS);
    return suite_run("keep", tests);
}
