/* How long the client library lets things be, by a clock that goes on when the test says so. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <nng/nng.h>

#include "fake.h"
#include "suite.h"
#include "tilery/client.h"

#include "compute.pb-c.h"

#define COMPUTE "tilery.v1.TileCompute/Compute"
#define TIMEOUT_MS 20000
/* As the protocol's document has them. */
#define PASSED_OVER_MIN_MS 100u
#define PASSED_OVER_MAX_MS 5000u
#define ROUNDS 12

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
void __real_nng_aio_set_timeout(nng_aio *aio, nng_duration ms);
void __wrap_nng_aio_set_timeout(nng_aio *aio, nng_duration ms);

static atomic_bool stands;
static atomic_uint_fast64_t now_ms, given_ms;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    uint64_t ms = atomic_load(&now_ms);

    if (!atomic_load(&stands))
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
    return 0;
}

void __wrap_nng_aio_set_timeout(nng_aio *aio, nng_duration ms)
{
    if (ms > 0)
        atomic_store(&given_ms, (uint64_t)ms);
    __real_nng_aio_set_timeout(aio, ms);
}

static void stop_clock(void)
{
    struct timespec now;

    (void)__real_clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&now_ms, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1);
    atomic_store(&stands, true);
}

/* A server, and whether it refuses. */
struct script {
    atomic_bool refuses;
    atomic_uint_fast64_t timeout_ms; /* what the last request said */
};

static struct fake_answer follow(void *arg, const struct wire_request *request, unsigned number)
{
    static _Thread_local Tilery__V1__Summary none = TILERY__V1__SUMMARY__INIT;
    static _Thread_local Tilery__V1__ComputeReply done = TILERY__V1__COMPUTE_REPLY__INIT;
    struct script *script = arg;

    (void)number;
    atomic_store(&script->timeout_ms, request->timeout_ms);
    if (atomic_load(&script->refuses))
        return (struct fake_answer){.status = WIRE_UNAVAILABLE, .message = "the server is shutting down"};
    none.has_tiles_planned = true;
    none.tiles_planned = 1;
    done.summary = &none;
    return (struct fake_answer){.payload = &done.base};
}

static void compute(tilery_client *client)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tilery_compute_request request;
    struct tilery_error error;
    tilery_result *result;

    tilery_compute_request_init(&request);
    request.width = request.height = request.tile_w = request.tile_h = 8;
    ck_assert_msg(tilery_compute(client, &request, &options, &result, &error) == TILERY_OK, "%s",
                  error.message);
    tilery_result_free(result);
}

/* The server's own word on the deadline has time to come, and where it does not, the caller hardly waits. */
START_TEST(a_reply_is_awaited_for_a_little_longer_than_the_server_has)
{
    struct script script = {.refuses = false};
    struct fake *fake = fake_start(COMPUTE, follow, &script);
    const struct tilery_client_options options = {.server = fake_url(fake)};
    struct tilery_error error;
    tilery_client *client;

    ck_assert_int_eq(tilery_client_open(&options, &client, &error), TILERY_OK);
    compute(client);
    stop_clock();
    compute(client);
    atomic_store(&stands, false);
    ck_assert_uint_eq(atomic_load(&script.timeout_ms), TIMEOUT_MS);
    ck_assert_uint_ge(atomic_load(&given_ms), TIMEOUT_MS + 10);
    ck_assert_uint_le(atomic_load(&given_ms), TIMEOUT_MS + 100);
    tilery_client_close(client);
    fake_stop(fake);
}
END_TEST

/* Of two, which are asked in turn. How often the second has been asked when both have. */
static unsigned ask_both(tilery_client *client, const struct fake *second)
{
    compute(client);
    compute(client);
    return fake_requests(second);
}

START_TEST(a_server_that_refuses_is_passed_over_for_twice_as_long_each_time_and_no_longer_than_5_s)
{
    struct script good = {.refuses = false}, bad = {.refuses = false};
    struct fake *other = fake_start(COMPUTE, follow, &good), *fake = fake_start(COMPUTE, follow, &bad);
    uint64_t expected_ms = PASSED_OVER_MIN_MS;
    struct tilery_client_options options = {0};
    struct tilery_error error;
    tilery_client *client;
    unsigned asked;
    char urls[256];

    (void)snprintf(urls, sizeof urls, "%s,%s", fake_url(other), fake_url(fake));
    options.server = urls;
    ck_assert_int_eq(tilery_client_open(&options, &client, &error), TILERY_OK);
    while (fake_requests(other) == 0 || fake_requests(fake) == 0)
        compute(client);
    stop_clock();
    atomic_store(&bad.refuses, true);
    asked = ask_both(client, fake);
    for (int round = 0; round < ROUNDS; round++) {
        atomic_fetch_add(&now_ms, expected_ms - 1);
        ck_assert_uint_eq(ask_both(client, fake), asked);
        atomic_fetch_add(&now_ms, 1);
        ck_assert_uint_eq(ask_both(client, fake), ++asked);
        expected_ms = 2 * expected_ms < PASSED_OVER_MAX_MS ? 2 * expected_ms : PASSED_OVER_MAX_MS;
    }
    atomic_store(&stands, false);
    tilery_client_close(client);
    fake_stop(fake);
    fake_stop(other);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("times");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_reply_is_awaited_for_a_little_longer_than_the_server_has);
    tcase_add_test(tests,
                   a_server_that_refuses_is_passed_over_for_twice_as_long_each_time_and_no_longer_than_5_s);
    return suite_run("times", tests);
}
