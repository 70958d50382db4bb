/* Servers that are there, but that nng has lost sight of: a client finds them again. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "fake.h"
#include "served.h"
#include "suite.h"

#define CHECK "tilery.v1.Health/Check"
#define TIMEOUT_MS 100
/* nng's ends of a connection take that much. Without some of what is smaller nng 1.5.2 aborts. */
#define LARGE 1024

void *__libc_calloc(size_t count, size_t size);
void *__interceptor_calloc(size_t count, size_t size) __attribute__((weak)); /* a sanitizer's */

/* Of what nng's own threads ask for, this one is not given, once. */
static atomic_uint asked, missing;
static atomic_bool armed, refused;
static _Thread_local bool spared;

static bool is_nng(const void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, "libnng") != NULL;
}

/* Before libc's. A thread calls it before a sanitizer knows of the thread. */
__attribute__((visibility("default"), no_sanitize("thread"))) void *calloc(size_t count, size_t size)
{
    if (atomic_load(&armed) && !spared && count * size >= LARGE && is_nng(__builtin_return_address(0)) &&
        atomic_fetch_add(&asked, 1) == atomic_load(&missing)) {
        atomic_store(&refused, true);
        return NULL;
    }
    return __interceptor_calloc != NULL ? __interceptor_calloc(count, size) : __libc_calloc(count, size);
}

static void refuse(unsigned number)
{
    atomic_store(&asked, 0);
    atomic_store(&missing, number);
    atomic_store(&refused, false);
    atomic_store(&armed, true);
}

static enum tilery_status check_health(tilery_client *client)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};

    return tilery_health(client, &options, &served.error);
}

/* Where the server's end alone is missing, the client is not told over inproc://. */
START_TEST(a_connection_that_nng_has_no_memory_for_is_made_later)
{
    unsigned number = 0;

    spared = true;
    served_start(_i, 1, 8);
    check_status(tilery_health(served.client, NULL, &served.error), TILERY_OK);
    do {
        served_halt();
        refuse(number++);
        served_again();
        while (check_health(served.client) != TILERY_OK)
            served_pause();
        atomic_store(&armed, false);
    } while (atomic_load(&refused));
    ck_assert_uint_gt(number, 2); /* both ends */
}
END_TEST

static struct fake_answer answer_unless(void *arg, const struct wire_request *request, unsigned number)
{
    (void)request;
    (void)number;
    return (struct fake_answer){.silent = atomic_load((atomic_bool *)arg)};
}

START_TEST(a_connection_to_nobody_is_made_anew)
{
    atomic_bool always = true, later = false;
    struct fake *deaf = fake_start_at("inproc://tilery-deaf", CHECK, answer_unless, &always),
                *heard = fake_start_at("inproc://tilery-heard", CHECK, answer_unless, &later);

    served.client = served_connect("inproc://tilery-deaf,inproc://tilery-heard");
    while (fake_connections(deaf) < 3)
        if (check_health(served.client) == TILERY_OK)
            atomic_store(&later, true);
    ck_assert_uint_gt(fake_requests(heard), 1);
    ck_assert_uint_eq(fake_connections(heard), 1);
    served_disconnect();
    fake_stop(deaf);
    fake_stop(heard);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("redial");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_connection_that_nng_has_no_memory_for_is_made_later, 0, WITH_TLS);
    tcase_add_test(tests, a_connection_to_nobody_is_made_anew);
    return suite_run("redial", tests);
}
