/* What keeps a server answering: contexts that stay free for Cancel and Health, and calls of clients that
 * left. */
#include <sched.h>
#include <stdio.h>

#include "raw.h"
#include "served.h"
#include "suite.h"

#define QUEUE 40

static void send_compute(struct raw *raw, const struct tilery_compute_request *from, const char *id)
{
    const struct wire_request head = {.method = "tilery.v1.TileCompute/Compute", .request_id = id};
    Tilery__V1__ComputeRequest request = TILERY__V1__COMPUTE_REQUEST__INIT;

    request.has_width = request.has_height = request.has_tile_w = request.has_tile_h = 1;
    request.has_max_iter = request.has_num_threads = request.has_time_limit_ms = 1;
    request.width = from->width;
    request.height = from->height;
    request.tile_w = from->tile_w;
    request.tile_h = from->tile_h;
    request.max_iter = from->max_iter;
    request.num_threads = from->num_threads;
    request.time_limit_ms = from->time_limit_ms;
    request.kernel = (char *)(uintptr_t)from->kernel;
    raw_send(raw, &head, &request.base);
}

/* One request runs, and as many wait as may: each has a context, and there is one more for who cancels. What
 * goes over one connection is read in its order. */
START_TEST(cancel_is_read_while_all_runs_are_taken_and_the_queue_is_full)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct ending endings[QUEUE + 1];
    char id[16];

    served_start(_i, 1, QUEUE);
    for (int i = 0; i <= QUEUE; i++) {
        (void)snprintf(id, sizeof id, "endless-%d", i);
        ending_of(&endings[i], served.client, &endless, 0, id);
    }
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    for (int i = 0; i <= QUEUE; i++) {
        (void)snprintf(id, sizeof id, "endless-%d", i);
        served_cancel(served.client, id);
    }
    for (int i = 0; i <= QUEUE; i++)
        ck_assert_int_eq(ending_wait(&endings[i]), TILERY_CANCELLED);
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
}
END_TEST

/* Sends it again where it found a probe in its place. */
static void insist(struct raw *raw, const struct tilery_compute_request *request)
{
    if (!raw_answered(raw))
        return;
    ck_assert_int_eq(raw_receive(raw, &tilery__v1__compute_reply__descriptor), WIRE_RESOURCE_EXHAUSTED);
    send_compute(raw, request, "");
}

/* Those that wait as well as the one that runs: afterwards there is room again. */
START_TEST(the_calls_of_clients_that_left_are_cancelled)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    struct raw gone[3];

    served_start(_i, 1, 2);
    for (int i = 0; i < 3; i++) {
        raw_open(&gone[i], served.url);
        send_compute(&gone[i], &endless, "");
    }
    while (served_compute(served.client, &small, 100, NULL) != TILERY_RESOURCE_EXHAUSTED)
        for (int i = 0; i < 3; i++)
            insist(&gone[i], &endless);
    for (int i = 0; i < 3; i++)
        raw_close(&gone[i]);
    while (served_compute(served.client, &small, 0, NULL) == TILERY_RESOURCE_EXHAUSTED)
        sched_yield();
    check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pitfalls");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, cancel_is_read_while_all_runs_are_taken_and_the_queue_is_full, 0, TRANSPORTS);
    tcase_add_loop_test(tests, the_calls_of_clients_that_left_are_cancelled, 0, TRANSPORTS);
    return suite_run("pitfalls", tests);
}
