/* Servers that break the protocol, and networks that stand still: an error soon, and nothing worse. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "fake.h"
#include "loop.h"
#include "served.h"
#include "suite.h"

#include "compute.pb-c.h"

#define COMPUTE "tilery.v1.TileCompute/Compute"
#define TIMEOUT_MS 300
/* The promise is 50 ms, on a machine that is not as busy as one that tests; else they would take minutes. */
#define LATE_MS 60000

typedef Tilery__V1__NextTilesReply NextTilesReply;
typedef Tilery__V1__TileUpdate TileUpdate;

/* ---- Streams ---- */

/* A stream of the image of 2 x 1 tiles of 4 x 4 pixels, and what is wrong with it. */
struct lie {
    const char *message; /* in the error; NULL: the truth */
    uint64_t planned;
    size_t tiles; /* of the first batch */
    uint32_t ids[3];
    uint32_t x, columns, rows; /* of the first tile; 0: right */
    size_t bytes;
    uint64_t next_cursor; /* 0: right */
    const char *id;
};

static const struct lie lies[] = {
    {.planned = 2, .tiles = 2, .ids = {0, 1}},
    {.message = "3 tiles are planned where 2 were asked for", .planned = 3},
    {.message = "no name", .planned = 2, .id = ""},
    {.message = "no name", .planned = 2, .id = "\x1b[2J"},
    {.message = "0 tiles and 3 more came where 2 are planned", .planned = 2, .tiles = 3, .ids = {0, 1, 0}},
    {.message = "task 1 came twice", .planned = 2, .tiles = 2, .ids = {1, 1}},
    {.message = "task 2 came; 2 from 0 on were asked for", .planned = 2, .tiles = 1, .ids = {2}},
    {.message = "task 4294967295 came", .planned = 2, .tiles = 1, .ids = {UINT32_MAX}},
    {.message = "4 x 4 pixels at 5,0", .planned = 2, .tiles = 1, .x = 5},
    {.message = "65536 x 4 pixels", .planned = 2, .tiles = 1, .columns = 65536},
    {.message = "4 x 1 pixels", .planned = 2, .tiles = 1, .rows = 1},
    {.message = "30 bytes for 4 x 4 counts", .planned = 2, .tiles = 1, .bytes = 30},
    {.message = "34 bytes for 4 x 4 counts", .planned = 2, .tiles = 1, .bytes = 34},
    {.message = "goes on at 7 after 1 tiles from 0 on", .planned = 2, .tiles = 1, .next_cursor = 7},
};

static TileUpdate tile_of(const struct lie *lie, size_t i)
{
    static uint8_t counts[64];
    TileUpdate tile = TILERY__V1__TILE_UPDATE__INIT;

    tile.has_task_id = tile.has_tile_x = tile.has_tile_w = tile.has_tile_h = 1;
    tile.has_columns = tile.has_rows = tile.has_data = 1;
    tile.task_id = lie->ids[i];
    tile.tile_x = lie->x != 0 ? lie->x : lie->ids[i] * 4;
    tile.tile_w = tile.tile_h = 4;
    tile.columns = lie->columns != 0 ? lie->columns : 4;
    tile.rows = lie->rows != 0 ? lie->rows : 4;
    tile.data.data = counts;
    tile.data.len = lie->bytes != 0 ? lie->bytes : 32;
    return tile;
}

static struct fake_answer next_reply(const struct lie *lie)
{
    static NextTilesReply reply;
    static TileUpdate tiles[3], *pointers[3];

    tilery__v1__next_tiles_reply__init(&reply);
    for (size_t i = 0; i < lie->tiles; i++) {
        tiles[i] = tile_of(lie, i);
        pointers[i] = &tiles[i];
    }
    reply.tiles = pointers;
    reply.n_tiles = lie->tiles;
    reply.has_next_cursor = reply.has_done = 1;
    reply.next_cursor = lie->next_cursor != 0 ? lie->next_cursor : lie->tiles;
    reply.done = 1;
    return (struct fake_answer){.payload = &reply.base};
}

static struct fake_answer lie_about(void *arg, const struct wire_request *request, unsigned number)
{
    const struct lie *lie = arg;

    (void)number;
    if (strstr(request->method, "OpenStream") != NULL)
        return fake_opened(lie->id, lie->planned, UINT64_MAX);
    if (strstr(request->method, "NextTiles") != NULL)
        return next_reply(lie);
    return (struct fake_answer){.status = WIRE_UNIMPLEMENTED, .message = "a fake does not do this"};
}

static struct tilery_compute_request two_tiles(void)
{
    return served_request(8, 4, 4, 4, 1);
}

static bool count_tile(void *arg, const struct tilery_tile *tile)
{
    (void)tile;
    ++*(unsigned *)arg;
    return true;
}

START_TEST(a_stream_that_lies_ends_with_what_it_lied_about)
{
    const struct tilery_compute_request request = two_tiles();
    const struct lie *lie = &lies[_i];
    struct fake *fake = fake_start(NULL, lie_about, (void *)(uintptr_t)lie);
    enum tilery_status status;
    unsigned tiles = 0;

    served.client = served_connect(fake_url(fake));
    status = tilery_stream_run(served.client, &request, NULL, count_tile, NULL, &tiles, &served.error);
    if (lie->message == NULL) {
        check_status(status, TILERY_OK);
        ck_assert_uint_eq(tiles, 2);
    } else {
        check_status(status, TILERY_INTERNAL);
        ck_assert_msg(strstr(served.error.message, lie->message) != NULL, "%s", served.error.message);
    }
    served_disconnect();
    fake_stop(fake);
}
END_TEST

START_TEST(a_stream_that_lies_to_whom_does_not_wait_ends_likewise)
{
    const struct tilery_compute_request request = two_tiles();
    const struct lie *lie = &lies[_i];
    struct fake *fake = fake_start(NULL, lie_about, (void *)(uintptr_t)lie);
    enum tilery_status status;
    tilery_stream *stream;
    unsigned told;

    served.client = served_connect(fake_url(fake));
    status = tilery_stream_open(served.client, &request, NULL, &stream, &served.error);
    if (status == TILERY_OK)
        status = read_when_told(stream, &told);
    check_status(status, lie->message != NULL ? TILERY_INTERNAL : TILERY_OK);
    if (lie->message != NULL)
        ck_assert_msg(strstr(served.error.message, lie->message) != NULL, "%s", served.error.message);
    (void)tilery_stream_drop(stream);
    tilery_client_close(served.client);
    served.client = NULL;
    fake_stop(fake);
}
END_TEST

static struct fake_answer never_come(void *arg, const struct wire_request *request, unsigned number)
{
    static NextTilesReply nothing = TILERY__V1__NEXT_TILES_REPLY__INIT;

    (void)number;
    if (strstr(request->method, "NextTiles") == NULL)
        return lie_about(arg, request, number);
    return (struct fake_answer){.payload = &nothing.base};
}

START_TEST(a_stream_without_tiles_or_end_is_asked_slowly)
{
    const struct tilery_compute_request request = two_tiles();
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct fake *fake = fake_start(NULL, never_come, (void *)(uintptr_t)&lies[0]);
    uint64_t begin_ns = clock_now_ns();
    unsigned tiles = 0;

    served.client = served_connect(fake_url(fake));
    check_status(
        tilery_stream_run(served.client, &request, &options, count_tile, NULL, &tiles, &served.error),
        TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_le(fake_requests(fake), (clock_now_ns() - begin_ns) / 20000000 + 3);
    served_disconnect();
    fake_stop(fake);
}
END_TEST

START_TEST(nobody_is_told_of_replies_without_tiles)
{
    const struct tilery_compute_request request = two_tiles();
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct fake *fake = fake_start(NULL, never_come, (void *)(uintptr_t)&lies[0]);
    tilery_stream *stream;
    unsigned told;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_stream_open(served.client, &request, &options, &stream, &served.error), TILERY_OK);
    check_status(read_when_told(stream, &told), TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_le(told, 1);
    tilery_stream_close(stream);
    tilery_client_close(served.client);
    served.client = NULL;
    fake_stop(fake);
}
END_TEST

/* ---- Computations and messages ---- */

static struct fake_answer give(void *arg, const struct wire_request *request, unsigned number)
{
    (void)request;
    (void)number;
    return *(const struct fake_answer *)arg;
}

/* What comes of a Compute of two tasks that is answered so. NULL: there is no error. */
static void check_given(const struct fake_answer *answer, enum tilery_status status, const char *message)
{
    const struct tilery_compute_request request = two_tiles();
    struct fake *fake = fake_start(COMPUTE, give, (void *)(uintptr_t)answer);

    served.client = served_connect(fake_url(fake));
    check_status(served_compute(served.client, &request, 0, NULL), status);
    if (message != NULL)
        ck_assert_str_eq(served.error.message, message);
    served_disconnect();
    fake_stop(fake);
}

START_TEST(a_message_is_made_printable)
{
    const struct fake_answer answer = {.status = WIRE_INVALID_ARGUMENT,
                                       .message = "\x1b[2Jwidth\r\n is \xff\x7f"};

    check_given(&answer, TILERY_INVALID_ARGUMENT, "?[2Jwidth?? is ??");
}
END_TEST

START_TEST(records_of_tasks_that_were_not_asked_for_are_refused)
{
    static Tilery__V1__TaskRecord records[] = {TILERY__V1__TASK_RECORD__INIT, TILERY__V1__TASK_RECORD__INIT,
                                               TILERY__V1__TASK_RECORD__INIT};
    Tilery__V1__TaskRecord *pointers[] = {&records[0], &records[1], &records[2]};
    Tilery__V1__ComputeReply reply = TILERY__V1__COMPUTE_REPLY__INIT;
    const struct fake_answer answer = {.payload = &reply.base};

    records[0].has_task_id = 1;
    records[0].task_id = 2;
    reply.records = pointers;
    reply.n_records = _i == 0 ? 1 : 3;
    check_given(&answer, TILERY_INTERNAL,
                _i == 0 ? "task 2 came; 2 from 0 on were asked for" : "3 records came for 2 tasks");
}
END_TEST

/* Two tasks were asked for. planned 0: there is no summary. */
START_TEST(a_reply_that_is_not_whole_is_refused)
{
    static const struct {
        unsigned records, planned, done;
        const char *message; /* NULL: it is whole */
    } rows[] = {{0, 0, 0, "0 records came for 2 tasks, and no summary"},
                {1, 0, 0, "1 records came for 2 tasks, and no summary"},
                {0, 3, 0, "0 records came for 2 tasks; the summary tells of 0 of 3"},
                {1, 2, 2, "1 records came for 2 tasks; the summary tells of 2 of 2"},
                {2, 0, 0, NULL},
                {1, 2, 1, NULL}};
    static Tilery__V1__TaskRecord records[] = {TILERY__V1__TASK_RECORD__INIT, TILERY__V1__TASK_RECORD__INIT};
    Tilery__V1__TaskRecord *pointers[] = {&records[0], &records[1]};
    Tilery__V1__Summary summary = TILERY__V1__SUMMARY__INIT;
    Tilery__V1__ComputeReply reply = TILERY__V1__COMPUTE_REPLY__INIT;
    const struct fake_answer answer = {.payload = &reply.base};

    summary.has_tiles_planned = summary.has_tiles_done = true;
    summary.tiles_planned = rows[_i].planned;
    summary.tiles_done = rows[_i].done;
    reply.summary = rows[_i].planned != 0 ? &summary : NULL;
    reply.records = pointers;
    reply.n_records = rows[_i].records;
    check_given(&answer, rows[_i].message != NULL ? TILERY_INTERNAL : TILERY_OK, rows[_i].message);
}
END_TEST

/* ---- Networks that stand still ---- */

/* What is sent after a connection is taken: nothing, a handshake, and one with half a reply. */
static const struct {
    const char *bytes;
    size_t len;
} greetings[] = {
    {"", 0},
    {"\0SP\0\0\x31\0", 8},
    {"\0SP\0\0\x31\0\0\0\0\0\0\0\0\0\x40\x80\0\0\1\x08", 21},
};

struct still {
    int listening;
    size_t greeting;
    pthread_t thread;
};

static void *greet(void *arg)
{
    const struct still *still = arg;
    int connections[8], count = 0, fd;

    while (count < 8 && (fd = accept(still->listening, NULL, NULL)) >= 0) {
        connections[count++] = fd;
        (void)send(fd, greetings[still->greeting].bytes, greetings[still->greeting].len, MSG_NOSIGNAL);
    }
    while (count > 0)
        close(connections[--count]);
    return NULL;
}

static void still_start(struct still *still, size_t greeting, char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;

    still->greeting = greeting;
    still->listening = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(still->listening, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(still->listening, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(still->listening, 16), 0);
    (void)snprintf(url, size, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&still->thread, NULL, greet, still), 0);
}

static void still_end(struct still *still)
{
    (void)shutdown(still->listening, SHUT_RDWR);
    pthread_join(still->thread, NULL);
    close(still->listening);
}

START_TEST(where_nothing_comes_a_call_ends_when_its_time_is_up)
{
    const struct tilery_compute_request request = two_tiles();
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    static struct ending ending;
    tilery_stream *stream;
    struct still still;
    uint64_t begin_ns;
    char url[64];

    still_start(&still, (size_t)_i, url, sizeof url);
    served.client = served_connect(url);
    begin_ns = clock_now_ns();
    check_status(served_compute(served.client, &request, TIMEOUT_MS, NULL), TILERY_DEADLINE_EXCEEDED);
    ending_of(&ending, served.client, &request, TIMEOUT_MS, NULL);
    ck_assert_int_eq(ending_wait(&ending), TILERY_DEADLINE_EXCEEDED);
    check_status(tilery_health(served.client, &options, &served.error), TILERY_DEADLINE_EXCEEDED);
    check_status(tilery_stream_open(served.client, &request, &options, &stream, &served.error),
                 TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_lt(clock_now_ns() - begin_ns, UINT64_C(1000000) * (4 * TIMEOUT_MS + LATE_MS));
    served_disconnect();
    still_end(&still);
}
END_TEST

START_TEST(a_connection_that_is_lost_again_and_again_ends_a_call_in_its_time)
{
    const struct tilery_compute_request request = two_tiles();
    const struct fake_answer answer = {.cut = true};
    struct fake *fake = fake_start(COMPUTE, give, (void *)(uintptr_t)&answer);
    const struct tilery_client_options options = {.server = fake_url(fake), .max_attempts = 100};
    uint64_t begin_ns = clock_now_ns();
    enum tilery_status status;

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    status = served_compute(served.client, &request, TIMEOUT_MS, NULL);
    ck_assert(status == TILERY_UNAVAILABLE || status == TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_lt(clock_now_ns() - begin_ns, UINT64_C(1000000) * (TIMEOUT_MS + LATE_MS));
    served_disconnect();
    fake_stop(fake);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("hostile");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_stream_that_lies_ends_with_what_it_lied_about, 0,
                        sizeof lies / sizeof *lies);
    tcase_add_loop_test(tests, a_stream_that_lies_to_whom_does_not_wait_ends_likewise, 0,
                        sizeof lies / sizeof *lies);
    tcase_add_test(tests, a_stream_without_tiles_or_end_is_asked_slowly);
    tcase_add_test(tests, nobody_is_told_of_replies_without_tiles);
    tcase_add_test(tests, a_message_is_made_printable);
    tcase_add_loop_test(tests, records_of_tasks_that_were_not_asked_for_are_refused, 0, 2);
    tcase_add_loop_test(tests, a_reply_that_is_not_whole_is_refused, 0, 6);
    tcase_add_loop_test(tests, where_nothing_comes_a_call_ends_when_its_time_is_up, 0, 3);
    tcase_add_test(tests, a_connection_that_is_lost_again_and_again_ends_a_call_in_its_time);
    return suite_run("hostile", tests);
}
