/* A server whose machine has no memory left, at any point of a call: calls of what allocates go through here.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>

#include "raw.h"
#include "served.h"
#include "suite.h"
#include "wire/limits.h"

#include "server.pb-c.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_nng_msg_alloc(nng_msg **out, size_t size);
int __real_nng_msg_realloc(nng_msg *msg, size_t size);
DIR *__real_opendir(const char *name);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
DIR *__wrap_opendir(const char *name);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_nng_msg_alloc(nng_msg **out, size_t size);
int __wrap_nng_msg_realloc(nng_msg *msg, size_t size);

/* What the server asks for is given until so many times; then not for `refusals` times. */
static atomic_uint asked, given, refusals, refused;
static atomic_size_t large = SIZE_MAX; /* a message from this size on is never given */
static _Thread_local bool spared;      /* the test's own thread */

static bool is_refused(void)
{
    unsigned number;

    if (spared || atomic_load(&refusals) == 0)
        return false;
    number = atomic_fetch_add(&asked, 1);
    if (number < atomic_load(&given) || number - atomic_load(&given) >= atomic_load(&refusals))
        return false;
    atomic_fetch_add(&refused, 1);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __real_aligned_alloc(alignment, size);
}

DIR *__wrap_opendir(const char *name)
{
    return is_refused() ? NULL : __real_opendir(name);
}

static bool is_message_refused(size_t size)
{
    return (!spared && size >= atomic_load(&large)) || is_refused();
}

int __wrap_nng_msg_alloc(nng_msg **out, size_t size)
{
    return is_message_refused(size) ? NNG_ENOMEM : __real_nng_msg_alloc(out, size);
}

int __wrap_nng_msg_realloc(nng_msg *msg, size_t size)
{
    return is_message_refused(size) ? NNG_ENOMEM : __real_nng_msg_realloc(msg, size);
}

static void refuse(unsigned after, unsigned times)
{
    atomic_store(&asked, 0);
    atomic_store(&given, after);
    atomic_store(&refused, 0);
    atomic_store(&refusals, times);
}

static enum tilery_status compute(tilery_client *client)
{
    const struct tilery_compute_request request = served_request(40, 30, 10, 10, 2);

    return served_compute(client, &request, 0, NULL);
}

static enum tilery_status stream(tilery_client *client)
{
    const struct tilery_compute_request request = served_request(40, 30, 10, 10, 2);
    const struct tilery_tile *tile = NULL;
    enum tilery_status status;
    tilery_stream *stream;

    status = tilery_stream_open(client, &request, NULL, &stream, &served.error);
    while (status == TILERY_OK && (status = tilery_stream_next(stream, &tile, &served.error)) == TILERY_OK &&
           tile != NULL)
        continue;
    atomic_store(&refusals, 0); /* it has an end to tell the server of */
    tilery_stream_close(stream);
    return status;
}

static enum tilery_status look(tilery_client *client)
{
    struct tilery_stats *stats;
    enum tilery_status status = tilery_stats(client, NULL, &stats, &served.error);

    tilery_stats_free(stats);
    return status;
}

static enum tilery_status (*const calls[])(tilery_client *client) = {compute, look, stream};
#define CALLS 3

/* One thing that there is no memory for ends no connection. */
START_TEST(a_call_that_lacks_memory_is_told_so_with_when_to_try_again)
{
    tilery_client *client;

    served_start(INPROC, 2, 8);
    client = served_connect_once(served.url);
    check_status(calls[_i](client), TILERY_OK); /* all its connections are there */
    for (unsigned after = 0;; after++) {
        enum tilery_status status;

        refuse(after, 1);
        status = calls[_i](client);
        if (atomic_exchange(&refusals, 0), atomic_load(&refused) == 0)
            break;
        if (status != TILERY_OK) {
            check_status(status, TILERY_RESOURCE_EXHAUSTED);
            ck_assert(calls[_i] == stream || served.error.retry_after_ms != 0);
        }
        check_status(tilery_health(client, NULL, &served.error), TILERY_OK);
    }
    tilery_client_close(client);
}
END_TEST

/* It is not answered at the worst: its connection ends. */
START_TEST(a_server_without_any_memory_is_itself_again_when_there_is_some)
{
    enum tilery_status (*const call)(tilery_client * client) = calls[_i % CALLS];
    tilery_client *client;

    if (call == stream)
        return; /* it asks again for as long as its lease */

    served_start(_i / CALLS, 2, 8);
    client = served_connect_once(served.url);
    check_status(call(client), TILERY_OK);
    for (unsigned after = 0;; after++) {
        enum tilery_status status;

        refuse(after, UINT_MAX);
        status = call(client);
        if (atomic_exchange(&refusals, 0), atomic_load(&refused) == 0)
            break;
        if (status != TILERY_OK && status != TILERY_UNAVAILABLE)
            check_status(status, TILERY_RESOURCE_EXHAUSTED);
        served_wait_healthy(client);
        check_status(call(client), TILERY_OK);
    }
    tilery_client_close(client);
}
END_TEST

START_TEST(a_reply_without_memory_is_said_to_lack_it)
{
    const struct tilery_compute_request request = served_request(400, 400, 10, 10, 2);
    tilery_client *client;

    served_start(_i, 2, 8);
    client = served_connect_once(served.url);
    atomic_store(&large, 4096);
    check_status(served_compute(client, &request, 0, NULL), TILERY_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(served.error.message, "no memory for the reply; try again");
    ck_assert_uint_ne(served.error.retry_after_ms, 0);
    check_status(compute(client), TILERY_OK);
    atomic_store(&large, SIZE_MAX);
    check_status(served_compute(client, &request, 0, NULL), TILERY_OK);
    tilery_client_close(client);
}
END_TEST

/* What is unpacked takes more than a call's first block. */
START_TEST(a_request_without_memory_to_unpack_it_is_not_called_too_large)
{
    struct wire_metadata list[WIRE_MAX_METADATA];
    Tilery__V1__HealthCheckRequest health = TILERY__V1__HEALTH_CHECK_REQUEST__INIT;
    struct wire_request head = {.method = "tilery.v1.Health/Check", .request_id = "", .metadata = list};
    static char value[512];
    struct raw raw;

    memset(value, 'a', sizeof value - 1);
    for (size_t i = 0; i < WIRE_MAX_METADATA; i++)
        list[i] = (struct wire_metadata){"key", value};
    head.metadata_count = WIRE_MAX_METADATA;
    served_start(_i, 2, 8);
    raw_open(&raw, served.url);
    raw_send(&raw, &head, &health.base);
    ck_assert_int_eq(raw_receive(&raw, &tilery__v1__health_check_reply__descriptor), WIRE_OK);
    for (unsigned after = 0, told = 0;; after++) {
        enum wire_status status;

        refuse(after, 1);
        raw_send(&raw, &head, &health.base);
        status = raw_receive(&raw, &tilery__v1__health_check_reply__descriptor);
        if (atomic_exchange(&refusals, 0), atomic_load(&refused) == 0) {
            ck_assert_int_eq(status, WIRE_OK);
            ck_assert_uint_ge(told, 2);
            break;
        }
        if (status == WIRE_OK)
            continue; /* it was the timer's: it looks at the connections later */
        ck_assert_msg(status == WIRE_RESOURCE_EXHAUSTED, "%s", raw.head.message);
        ck_assert_uint_ne(raw.head.retry_after_ms, 0);
        told++;
    }
    raw_close(&raw);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("memory");

    spared = true;
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_add_loop_test(tests, a_call_that_lacks_memory_is_told_so_with_when_to_try_again, 0, CALLS);
    tcase_add_loop_test(tests, a_server_without_any_memory_is_itself_again_when_there_is_some, 0,
                        TRANSPORTS * CALLS);
    tcase_add_loop_test(tests, a_reply_without_memory_is_said_to_lack_it, 0, TRANSPORTS);
    tcase_add_loop_test(tests, a_request_without_memory_to_unpack_it_is_not_called_too_large, 0, TRANSPORTS);
    return suite_run("memory", tests);
}
