/* How calls end that do not come to their result: cancelled, out of time, without a server, with the client.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "served.h"
#include "suite.h"

#define CALLS 12
#define WAITERS 8

START_TEST(a_running_request_is_cancelled_by_its_id_from_another_client)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending running;
    tilery_client *other;

    served_start(_i, 1, 8);
    other = served_connect(served.url);
    ending_of(&running, served.client, &endless, 0, "running");
    served_wait_busy(other);
    served_cancel(other, "running");
    ck_assert_int_eq(ending_wait(&running), TILERY_CANCELLED);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
    tilery_client_close(other);
}
END_TEST

START_TEST(a_queued_request_is_cancelled_by_its_id_and_leaves_the_others_alone)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending queued, behind;
    tilery_stream *occupant;

    served_start(_i, 1, 8);
    occupant = served_stream(&endless, NULL);
    ending_of(&queued, served.client, &endless, 0, "queued");
    ending_of(&behind, served.client, &small, 0, "behind");
    served_cancel(served.client, "queued");
    ck_assert_int_eq(ending_wait(&queued), TILERY_CANCELLED);
    ck_assert_uint_eq(atomic_load(&behind.times), 0);
    tilery_stream_close(occupant);
    ck_assert_int_eq(ending_wait(&behind), TILERY_OK);
}
END_TEST

static void wait_unavailable(void)
{
    while (tilery_health(served.client, NULL, &served.error) != TILERY_UNAVAILABLE)
        sched_yield();
}

/* How an asynchronous cancel ended. */
struct cancelled {
    sem_t over;
    atomic_uint times;
    bool found;
    enum tilery_status status;
};

static void on_cancelled(void *arg, bool found, const struct tilery_error *error)
{
    struct cancelled *cancelled = arg;

    cancelled->found = found;
    cancelled->status = error != NULL ? error->status : TILERY_OK;
    atomic_fetch_add(&cancelled->times, 1);
    sem_post(&cancelled->over);
}

/* Told once of each: the next cancel's end follows. */
static bool cancel_async(tilery_client *client, const char *id, enum tilery_status wanted)
{
    static struct cancelled cancelled;

    sem_init(&cancelled.over, 0, 0);
    atomic_store(&cancelled.times, 0);
    check_status(tilery_cancel_async(client, id, NULL, on_cancelled, &cancelled, &served.error), TILERY_OK);
    sem_wait(&cancelled.over);
    check_status(tilery_cancel_async(client, "nobody", NULL, NULL, NULL, &served.error), TILERY_OK);
    ck_assert_uint_eq(atomic_load(&cancelled.times), 1);
    ck_assert_int_eq(cancelled.status, wanted);
    return cancelled.found;
}

START_TEST(a_cancel_that_is_not_waited_for_ends_the_run_and_tells_once)
{
    const struct tilery_compute_request endless = served_endless();
    static struct ending running;

    served_start(_i, 1, 8);
    ck_assert(!cancel_async(served.client, "nobody", TILERY_OK));
    ck_assert(!cancel_async(served.client, "", TILERY_INVALID_ARGUMENT));
    ck_assert(!cancel_async(served.client, NULL, TILERY_INVALID_ARGUMENT));
    ending_of(&running, served.client, &endless, 0, "running");
    while (!cancel_async(served.client, "running", TILERY_OK))
        sched_yield();
    ck_assert_int_eq(ending_wait(&running), TILERY_CANCELLED);
    served_halt();
    wait_unavailable();
    ck_assert(!cancel_async(served.client, "running", TILERY_UNAVAILABLE));
}
END_TEST

START_TEST(time_runs_out_at_work)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);

    served_start(_i, 1, 8);
    check_status(served_compute(served.client, &endless, 100, NULL), TILERY_DEADLINE_EXCEEDED);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
}
END_TEST

START_TEST(time_runs_out_in_the_queue_and_the_others_still_get_their_turn)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending behind;
    tilery_stream *occupant;

    served_start(_i, 1, 8);
    occupant = served_stream(&endless, NULL);
    check_status(served_compute(served.client, &small, 100, NULL), TILERY_DEADLINE_EXCEEDED);
    ending_of(&behind, served.client, &small, 0, NULL);
    check_status(served_compute(served.client, &small, 100, NULL), TILERY_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(atomic_load(&behind.times), 0);
    tilery_stream_close(occupant);
    ck_assert_int_eq(ending_wait(&behind), TILERY_OK);
}
END_TEST

/* A port where nobody listens: bound, so that it stays free of others, or a name that nobody has taken. */
static int nobody(int transport, char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int bound = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(bound, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(bound, (struct sockaddr *)&address, &len), 0);
    if (transport == INPROC)
        (void)snprintf(url, size, "inproc://nobody");
    else
        (void)snprintf(url, size, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    return bound;
}

START_TEST(where_nobody_listens_calls_are_unavailable_at_once)
{
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct tilery_client_options options = {.connect_timeout_ms = 600000};
    static struct ending ending;
    tilery_stream *stream;
    char url[64];
    int bound = nobody(_i, url, sizeof url);
    bool found;

    options.server = url;
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_UNAVAILABLE);
    ck_assert_msg(strstr(served.error.message, url) != NULL, "%s", served.error.message);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_UNAVAILABLE);
    check_status(tilery_stream_open(served.client, &small, NULL, &stream, &served.error), TILERY_UNAVAILABLE);
    check_status(tilery_cancel(served.client, "id", NULL, &found, &served.error), TILERY_UNAVAILABLE);
    ending_init(&ending);
    check_status(tilery_compute_async(served.client, &small, NULL, NULL, NULL, &served.error),
                 TILERY_UNAVAILABLE);
    close(bound);
}
END_TEST

static void on_health(void *arg, const struct tilery_error *error)
{
    struct ending *ending = arg;

    ending->status = error != NULL ? error->status : TILERY_OK;
    atomic_fetch_add(&ending->times, 1);
    sem_post(&ending->over);
}

START_TEST(calls_that_wait_for_ready_are_made_when_a_server_comes)
{
    const struct tilery_call_options patient = {.wait_for_ready = true};
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    static struct ending ending;
    tilery_stream *stream;

    served_start(_i, 1, 8);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    served_halt();
    do
        wait_unavailable();
    while (strstr(served.error.message, "no server at") == NULL);
    ending_init(&ending);
    check_status(tilery_health_async(served.client, &patient, on_health, &ending, &served.error), TILERY_OK);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_UNAVAILABLE);
    ck_assert_uint_eq(atomic_load(&ending.times), 0);
    served_again();
    check_status(tilery_stream_open(served.client, &small, &patient, &stream, &served.error), TILERY_OK);
    ck_assert_int_eq(ending_wait(&ending), TILERY_OK);
    tilery_stream_close(stream);
}
END_TEST

START_TEST(a_call_that_waits_for_ready_ends_with_its_time_or_its_client)
{
    const struct tilery_call_options hasty = {.timeout_ms = 100, .wait_for_ready = true};
    const struct tilery_call_options patient = {.wait_for_ready = true};
    const struct tilery_compute_request small = served_request(8, 8, 8, 8, 1);
    struct tilery_client_options options = {.max_attempts = 1};
    static struct ending ending;
    tilery_stream *stream;
    char url[64];
    int bound = nobody(_i, url, sizeof url);

    options.server = url;
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_health(served.client, &hasty, &served.error), TILERY_DEADLINE_EXCEEDED);
    ck_assert_msg(strstr(served.error.message, url) != NULL, "%s", served.error.message);
    check_status(tilery_stream_open(served.client, &small, &hasty, &stream, &served.error),
                 TILERY_DEADLINE_EXCEEDED);
    ending_init(&ending);
    check_status(tilery_health_async(served.client, &patient, on_health, &ending, &served.error), TILERY_OK);
    served_disconnect();
    ck_assert_int_eq(ending_wait(&ending), TILERY_CANCELLED);
    close(bound);
}
END_TEST

/* A server that takes connections and says nothing. */
static int mute(char *url, size_t size)
{
    int listening = nobody(TCP, url, size);

    ck_assert_int_eq(listen(listening, 16), 0);
    return listening;
}

START_TEST(a_first_connection_is_waited_for_only_so_long)
{
    const struct tilery_call_options hasty = {.timeout_ms = 50};
    struct tilery_client_options options = {.connect_timeout_ms = 200};
    tilery_client *patient;
    char url[64];
    int listening = mute(url, sizeof url);

    options.server = url;
    check_status(tilery_client_open(&options, &served.client, &served.error), TILERY_OK);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_UNAVAILABLE);
    patient = served_connect(url);
    check_status(tilery_health(patient, &hasty, &served.error), TILERY_DEADLINE_EXCEEDED);
    tilery_client_close(patient);
    close(listening);
}
END_TEST

/* Over each transport, before the calls have got anywhere and when one is at work. */
START_TEST(closing_the_client_ends_each_call_once_as_cancelled)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending endings[CALLS];
    tilery_client *other;

    served_start(_i / 2, 1, CALLS);
    other = served_connect(served.url);
    for (size_t i = 0; i < CALLS; i++)
        ending_of(&endings[i], other, &endless, 0, NULL);
    if (_i % 2 != 0)
        served_wait_busy(served.client);
    tilery_client_close(other);
    for (size_t i = 0; i < CALLS; i++) {
        ck_assert_uint_eq(atomic_load(&endings[i].times), 1);
        ck_assert_int_eq(endings[i].status, TILERY_CANCELLED);
    }
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK); /* their runs have ended */
}
END_TEST

struct blocked {
    pthread_t thread;
    tilery_client *client;
    struct tilery_compute_request request;
    atomic_int tid; /* 0 until it is about to call */
    enum tilery_status status;
};

static void *block(void *arg)
{
    struct blocked *blocked = arg;
    tilery_result *result;

    atomic_store(&blocked->tid, gettid());
    blocked->status = tilery_compute(blocked->client, &blocked->request, NULL, &result, NULL);
    tilery_result_free(result);
    return NULL;
}

static bool sleeps(int tid)
{
    char path[64], state = '?';
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
    (void)fclose(file);
    return state == 'S';
}

/* Starts threads that call, and returns when they all wait within the library. */
static void start_blocked(struct blocked *blocked, size_t count, tilery_client *client)
{
    for (size_t i = 0; i < count; i++) {
        blocked[i].client = client;
        blocked[i].request = served_endless();
        atomic_init(&blocked[i].tid, 0);
        ck_assert_int_eq(pthread_create(&blocked[i].thread, NULL, block, &blocked[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        while (atomic_load(&blocked[i].tid) == 0 || !sleeps(atomic_load(&blocked[i].tid)))
            sched_yield();
}

static void check_cancelled(struct blocked *blocked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pthread_join(blocked[i].thread, NULL);
        ck_assert_int_eq(blocked[i].status, TILERY_CANCELLED);
    }
}

START_TEST(closing_the_client_ends_threads_that_wait_for_a_reply)
{
    static struct blocked blocked[WAITERS];
    tilery_client *other;

    served_start(_i, 1, WAITERS);
    other = served_connect(served.url);
    check_status(tilery_health(other, NULL, &served.error), TILERY_OK);
    start_blocked(blocked, WAITERS, other);
    tilery_client_close(other);
    check_cancelled(blocked, WAITERS);
}
END_TEST

START_TEST(closing_the_client_ends_threads_that_wait_for_a_connection)
{
    static struct blocked blocked[WAITERS];
    tilery_client *client;
    char url[64];
    int listening = mute(url, sizeof url);

    client = served_connect(url);
    start_blocked(blocked, WAITERS, client);
    tilery_client_close(client);
    check_cancelled(blocked, WAITERS);
    close(listening);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("client ends");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_running_request_is_cancelled_by_its_id_from_another_client, 0, WITH_TLS);
    tcase_add_loop_test(tests, a_queued_request_is_cancelled_by_its_id_and_leaves_the_others_alone, 0,
                        TRANSPORTS);
    tcase_add_loop_test(tests, a_cancel_that_is_not_waited_for_ends_the_run_and_tells_once, 0, WITH_TLS);
    tcase_add_loop_test(tests, time_runs_out_at_work, 0, TRANSPORTS);
    tcase_add_loop_test(tests, time_runs_out_in_the_queue_and_the_others_still_get_their_turn, 0, TRANSPORTS);
    tcase_add_loop_test(tests, where_nobody_listens_calls_are_unavailable_at_once, 0, TRANSPORTS);
    tcase_add_loop_test(tests, calls_that_wait_for_ready_are_made_when_a_server_comes, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_call_that_waits_for_ready_ends_with_its_time_or_its_client, 0, TRANSPORTS);
    tcase_add_test(tests, a_first_connection_is_waited_for_only_so_long);
    tcase_add_loop_test(tests, closing_the_client_ends_each_call_once_as_cancelled, 0, 2 * WITH_TLS);
    tcase_add_loop_test(tests, closing_the_client_ends_threads_that_wait_for_a_reply, 0, WITH_TLS);
    tcase_add_test(tests, closing_the_client_ends_threads_that_wait_for_a_connection);
    return suite_run("client ends", tests);
}
