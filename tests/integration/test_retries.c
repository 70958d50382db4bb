/* Calls that are tried again: which, how often, with what time and which name; and those that are not. */
#include <stdio.h>
#include <string.h>

#include "engine/clock.h"
#include "fake.h"
#include "served.h"
#include "suite.h"

#include "compute.pb-c.h"

#define COMPUTE "tilery.v1.TileCompute/Compute"
#define ATTEMPTS 5
#define RETRY_AFTER_MS 30
#define TIMEOUT_MS 20000

/* What a fake says to the first requests, before it gives in; and what it was sent. */
struct script {
    struct fake_answer first[2];
    unsigned refusals; /* the second answer is given again and again */
    uint64_t timeout_ms[ATTEMPTS];
    char ids[ATTEMPTS][80];
};

static const struct fake_answer busy = {
    .status = WIRE_RESOURCE_EXHAUSTED, .message = "busy", .retry_after_ms = RETRY_AFTER_MS};
static const struct fake_answer draining = {.status = WIRE_UNAVAILABLE,
                                            .message = "the server is shutting down"};

static struct fake_answer follow(void *arg, const struct wire_request *request, unsigned number)
{
    static Tilery__V1__Summary none = TILERY__V1__SUMMARY__INIT;
    static Tilery__V1__ComputeReply done = TILERY__V1__COMPUTE_REPLY__INIT;
    struct script *script = arg;

    ck_assert_uint_le(number, ATTEMPTS);
    script->timeout_ms[number - 1] = request->has_timeout ? request->timeout_ms : 0;
    (void)snprintf(script->ids[number - 1], sizeof script->ids[0], "%s", request->request_id);
    if (number <= script->refusals)
        return script->first[number > 1];
    none.has_tiles_planned = true;
    none.tiles_planned = 1;
    done.summary = &none;
    return (struct fake_answer){.payload = &done.base};
}

static struct script refuse(struct fake_answer answer, unsigned refusals)
{
    return (struct script){.first = {answer, answer}, .refusals = refusals};
}

/* One call, blocking or not, to a fake that follows the script. Gives how it ended, and the requests. */
static enum tilery_status call_once(struct script *script, unsigned max_attempts, bool async,
                                    const struct tilery_call_options *call, unsigned *requests)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake *fake = fake_start(COMPUTE, follow, script);
    const struct tilery_client_options options = {.server = fake_url(fake), .max_attempts = max_attempts};
    static struct ending ending;
    enum tilery_status status;

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    if (async) {
        ending_of(&ending, served.client, &small, call->timeout_ms, call->request_id);
        status = ending_wait(&ending);
    } else {
        status = served_compute(served.client, &small, call->timeout_ms, call->request_id);
    }
    served_disconnect();
    *requests = fake_requests(fake);
    fake_stop(fake);
    return status;
}

START_TEST(a_busy_server_is_asked_again_when_it_said_with_the_time_that_is_left)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct script script = refuse(busy, 2);
    uint64_t begin_ns = clock_now_ns();
    unsigned requests;

    check_status(call_once(&script, 0, _i != 0, &options, &requests), TILERY_OK);
    ck_assert_uint_eq(requests, 3);
    ck_assert_uint_ge(clock_now_ns() - begin_ns, 2 * RETRY_AFTER_MS * UINT64_C(1000000));
    ck_assert_uint_le(script.timeout_ms[0], TIMEOUT_MS);
    ck_assert_uint_gt(script.timeout_ms[0], TIMEOUT_MS / 2);
    ck_assert_uint_le(script.timeout_ms[1] + RETRY_AFTER_MS, script.timeout_ms[0] + 1);
    ck_assert_uint_le(script.timeout_ms[2] + RETRY_AFTER_MS, script.timeout_ms[1] + 1);
}
END_TEST

START_TEST(a_call_without_a_timeout_has_eleven_minutes)
{
    const struct tilery_call_options none = {.timeout_ms = 0};
    struct script script = refuse(busy, 0);
    unsigned requests;

    ck_assert_int_eq(call_once(&script, 0, _i, &none, &requests), TILERY_OK);
    ck_assert_uint_le(script.timeout_ms[0], 660000);
    ck_assert_uint_gt(script.timeout_ms[0], 600000);
}
END_TEST

START_TEST(a_server_that_stays_busy_is_asked_max_attempts_times)
{
    static const unsigned max_attempts[] = {0, 3, 1}, expected[] = {ATTEMPTS, 3, 1};
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct script script = refuse(_i % 2 != 0 ? busy : draining, ATTEMPTS);
    unsigned requests;

    check_status(call_once(&script, max_attempts[_i / 4], _i / 2 % 2 != 0, &options, &requests),
                 (enum tilery_status)script.first[0].status);
    ck_assert_uint_eq(requests, expected[_i / 4]);
}
END_TEST

/* One that would not fit the time, and one that is beyond reason. */
START_TEST(a_pause_that_is_too_long_is_left_to_the_caller)
{
    struct fake_answer later = busy;
    struct tilery_call_options options = {.timeout_ms = _i == 0 ? 5000 : 0};
    struct script script;
    unsigned requests;

    later.retry_after_ms = _i == 0 ? 6000 : UINT64_MAX;
    script = refuse(later, ATTEMPTS);
    check_status(call_once(&script, 0, false, &options, &requests), TILERY_RESOURCE_EXHAUSTED);
    ck_assert_uint_eq(served.error.retry_after_ms, later.retry_after_ms);
    ck_assert_uint_eq(requests, 1);
}
END_TEST

static const enum wire_status final[] = {WIRE_CANCELLED,        WIRE_INVALID_ARGUMENT, WIRE_DEADLINE_EXCEEDED,
                                         WIRE_NOT_FOUND,        WIRE_ALREADY_EXISTS,   WIRE_INTERNAL,
                                         WIRE_UNIMPLEMENTED,    WIRE_ABORTED,          WIRE_UNAUTHENTICATED,
                                         WIRE_PERMISSION_DENIED};

/* By one server alone; where there are two, each is asked once. */
START_TEST(a_caller_that_wants_no_pauses_is_told_at_once)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct script script = refuse(busy, ATTEMPTS), others = refuse(busy, ATTEMPTS);
    struct fake *fake = fake_start(COMPUTE, follow, &script), *other = fake_start(COMPUTE, follow, &others);
    struct tilery_client_options options = {.no_pauses = true};
    char both[512];

    (void)snprintf(both, sizeof both, "%s%s%s", fake_url(fake), _i == 0 ? "" : ",",
                   _i == 0 ? "" : fake_url(other));
    options.server = both;
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    while (fake_checks(fake) == 0 || (_i == 1 && fake_checks(other) == 0))
        (void)!tilery_health(served.client, NULL, &served.error);
    check_status(served_compute(served.client, &small, TIMEOUT_MS, NULL), TILERY_RESOURCE_EXHAUSTED);
    ck_assert_uint_eq(fake_requests(fake), 1);
    ck_assert_uint_eq(fake_requests(other), (unsigned)_i);
    ck_assert_uint_eq(served.error.retry_after_ms, RETRY_AFTER_MS);
    tilery_client_close(served.client);
    served.client = NULL;
    fake_stop(fake);
    fake_stop(other);
}
END_TEST

START_TEST(what_does_not_pass_is_not_tried_again)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS, .request_id = "mine"};
    struct script script = refuse((struct fake_answer){.status = final[_i], .message = "no"}, ATTEMPTS);
    unsigned requests;

    check_status(call_once(&script, 0, false, &options, &requests), (enum tilery_status) final[_i]);
    ck_assert_uint_eq(requests, 1);
    ck_assert_str_eq(served.error.message, "no");
}
END_TEST

START_TEST(a_call_whose_connection_is_lost_is_sent_again)
{
    const struct tilery_call_options options = {.timeout_ms = _i % 2 != 0 ? TIMEOUT_MS : 0};
    struct script script = refuse((struct fake_answer){.cut = true}, 1);
    unsigned requests;

    check_status(call_once(&script, 100, _i / 2 != 0, &options, &requests), TILERY_OK);
    ck_assert_uint_eq(requests, 2);
}
END_TEST

START_TEST(each_attempt_has_a_name_of_its_own_unless_the_caller_gave_one)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS,
                                                .request_id = _i != 0 ? "mine" : NULL};
    struct script script = refuse(busy, 1);
    unsigned requests;

    check_status(call_once(&script, 0, false, &options, &requests), TILERY_OK);
    ck_assert_uint_eq(requests, 2);
    if (_i != 0)
        ck_assert_str_eq(script.ids[0], "mine");
    ck_assert_uint_ne(strlen(script.ids[0]), 0);
    ck_assert_int_eq(strcmp(script.ids[0], script.ids[1]) == 0, _i != 0);
}
END_TEST

START_TEST(a_name_that_a_lost_attempt_still_holds_is_waited_for)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS, .request_id = "mine"};
    struct script script = {.first = {{.cut = true}, {.status = WIRE_ALREADY_EXISTS, .message = "in use"}},
                            .refusals = 3};
    unsigned requests;

    check_status(call_once(&script, 100, false, &options, &requests), TILERY_OK);
    ck_assert_uint_eq(requests, 4);
}
END_TEST

static struct fake_answer open_when_told(void *arg, const struct wire_request *request, unsigned number)
{
    struct fake_answer answer = follow(arg, request, number);

    return answer.payload != NULL ? fake_opened(((struct script *)arg)->ids[number - 1], 1, 10000) : answer;
}

/* The server gives it the stream whose reply was lost; but one that does not notice that keeps the name. */
START_TEST(a_nameless_stream_is_opened_under_one_name_until_the_last_attempt)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    const struct tilery_call_options call = {.timeout_ms = TIMEOUT_MS, .wait_for_ready = true};
    struct script script = {.first = {{.cut = true}, {.status = WIRE_ALREADY_EXISTS, .message = "in use"}},
                            .refusals = 3};
    struct fake *fake = fake_start("tilery.v1.TileCompute/OpenStream", open_when_told, &script);
    const struct tilery_client_options options = {.server = fake_url(fake), .max_attempts = 4};
    tilery_stream *stream;

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_stream_open(served.client, &small, &call, &stream, &served.error), TILERY_OK);
    ck_assert_uint_eq(fake_requests(fake), 4);
    ck_assert_uint_ne(strlen(script.ids[0]), 0);
    ck_assert_str_eq(script.ids[1], script.ids[0]);
    ck_assert_str_eq(script.ids[2], script.ids[0]);
    ck_assert_str_ne(script.ids[3], script.ids[0]);
    tilery_stream_close(stream);
    served_disconnect();
    fake_stop(fake);
}
END_TEST

/* A call that is told to pause for long; returns when the fake has its request. Ends with fake_stop. */
static struct fake *start_pausing(struct ending *paused, const char *request_id)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct fake_answer later = busy;
    static struct script script;
    struct fake *fake;

    later.retry_after_ms = 9000;
    script = refuse(later, ATTEMPTS);
    fake = fake_start(COMPUTE, follow, &script);
    served.client = served_connect(fake_url(fake));
    ending_of(paused, served.client, &small, 0, request_id);
    fake_wait(fake, 1);
    return fake;
}

START_TEST(a_call_that_pauses_is_cancelled_by_its_id)
{
    static struct ending paused;
    struct fake *fake = start_pausing(&paused, "mine");
    bool found;

    do /* the fake knows no Cancel, should the call not pause yet */
        (void)!tilery_cancel(served.client, "mine", NULL, &found, NULL);
    while (!found && atomic_load(&paused.times) == 0);
    ck_assert_int_eq(ending_wait(&paused), TILERY_CANCELLED);
    ck_assert_uint_eq(fake_requests(fake), 1);
    served_disconnect();
    fake_stop(fake);
}
END_TEST

/* As where the cancel overtakes the computation: the server knows of that when it is asked for the second
 * time.
 */
static struct fake_answer overtake(void *arg, const struct wire_request *request, unsigned number)
{
    static Tilery__V1__CancelReply reply = TILERY__V1__CANCEL_REPLY__INIT;
    atomic_uint *cancels = arg;

    (void)number;
    if (strcmp(request->method, COMPUTE) == 0)
        return (struct fake_answer){.silent = true};
    reply.has_found = 1;
    reply.found = atomic_fetch_add(cancels, 1) == 1;
    return (struct fake_answer){.payload = &reply.base};
}

START_TEST(a_cancel_that_overtakes_its_call_is_sent_again)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    static struct ending silent;
    atomic_uint cancels = 0;
    struct fake *fake = fake_start(NULL, overtake, &cancels);
    bool found;

    served.client = served_connect(fake_url(fake));
    ending_of(&silent, served.client, &small, 0, "mine");
    check_status(tilery_cancel(served.client, "nobody's", NULL, &found, &served.error), TILERY_OK);
    ck_assert(!found && atomic_load(&cancels) == 1);
    atomic_store(&cancels, 0);
    check_status(tilery_cancel(served.client, "mine", NULL, &found, &served.error), TILERY_OK);
    ck_assert(found && atomic_load(&cancels) == 2);
    served_disconnect();
    ck_assert_int_eq(ending_wait(&silent), TILERY_CANCELLED);
    fake_stop(fake);
}
END_TEST

START_TEST(a_client_that_is_closed_ends_calls_that_pause)
{
    static struct ending paused;
    struct fake *fake = start_pausing(&paused, NULL);

    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    served_disconnect();
    ck_assert_uint_eq(atomic_load(&paused.times), 1);
    ck_assert(paused.status == TILERY_CANCELLED || paused.status == TILERY_RESOURCE_EXHAUSTED);
    fake_stop(fake);
}
END_TEST

static void count_unasked(void *arg, const struct tilery_attempt *attempt)
{
    ck_assert(attempt->server == NULL && attempt->number == 0 && !attempt->again);
    ck_assert_int_eq(attempt->status, TILERY_UNAVAILABLE);
    atomic_fetch_add((atomic_uint *)arg, 1);
}

/* The first may wait for a connection; the others know that there is none before they begin. */
START_TEST(each_call_that_no_server_could_be_asked_is_told_of)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    static atomic_uint told;
    const struct tilery_client_options options = {
        .server = "inproc://nobody", .on_attempt = count_unasked, .on_attempt_arg = &told};

    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    for (unsigned i = 1; i <= 3; i++) {
        check_status(served_compute(served.client, &small, 0, NULL), TILERY_UNAVAILABLE);
        ck_assert_uint_eq(atomic_load(&told), i);
    }
}
END_TEST

START_TEST(health_is_not_asked_twice)
{
    struct script script = refuse(draining, ATTEMPTS);
    struct fake *fake = fake_start("tilery.v1.Server/Info", follow, &script);
    struct tilery_info *info;

    served.client = served_connect(fake_url(fake));
    check_status(tilery_info(served.client, NULL, &info, &served.error), TILERY_UNAVAILABLE);
    ck_assert_uint_eq(fake_requests(fake), 1);
    served_disconnect();
    fake_stop(fake);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("retries");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_busy_server_is_asked_again_when_it_said_with_the_time_that_is_left, 0, 2);
    tcase_add_loop_test(tests, a_call_without_a_timeout_has_eleven_minutes, 0, 2);
    tcase_add_loop_test(tests, a_server_that_stays_busy_is_asked_max_attempts_times, 0, 12);
    tcase_add_loop_test(tests, a_pause_that_is_too_long_is_left_to_the_caller, 0, 2);
    tcase_add_loop_test(tests, a_caller_that_wants_no_pauses_is_told_at_once, 0, 2);
    tcase_add_loop_test(tests, what_does_not_pass_is_not_tried_again, 0, sizeof final / sizeof *final);
    tcase_add_loop_test(tests, a_call_whose_connection_is_lost_is_sent_again, 0, 4);
    tcase_add_loop_test(tests, each_attempt_has_a_name_of_its_own_unless_the_caller_gave_one, 0, 2);
    tcase_add_test(tests, a_name_that_a_lost_attempt_still_holds_is_waited_for);
    tcase_add_test(tests, a_nameless_stream_is_opened_under_one_name_until_the_last_attempt);
    tcase_add_test(tests, a_call_that_pauses_is_cancelled_by_its_id);
    tcase_add_test(tests, a_cancel_that_overtakes_its_call_is_sent_again);
    tcase_add_test(tests, a_client_that_is_closed_ends_calls_that_pause);
    tcase_add_test(tests, each_call_that_no_server_could_be_asked_is_told_of);
    tcase_add_test(tests, health_is_not_asked_twice);
    return suite_run("retries", tests);
}
