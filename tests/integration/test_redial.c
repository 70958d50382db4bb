/* Servers that are there, but that nng has lost sight of: a client finds them again. */
#include "fake.h"
#include "served.h"
#include "suite.h"

#define CHECK "tilery.v1.Health/Check"
#define TIMEOUT_MS 100

static enum tilery_status check_health(tilery_client *client)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};

    return tilery_health(client, &options, &served.error);
}

static struct fake_answer nothing_from(void *arg, const struct wire_request *request, unsigned number)
{
    const unsigned *first = arg;

    (void)request;
    return (struct fake_answer){.silent = number >= *first};
}

START_TEST(a_connection_to_nobody_is_made_anew)
{
    unsigned first = 1, second = 2;
    struct fake *deaf = fake_start_at("inproc://tilery-deaf", CHECK, nothing_from, &first),
                *heard = fake_start_at("inproc://tilery-heard", CHECK, nothing_from, &second);

    served.client = served_connect("inproc://tilery-deaf,inproc://tilery-heard");
    while (fake_connections(deaf) < 3)
        (void)!check_health(served.client);
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
    tcase_add_test(tests, a_connection_to_nobody_is_made_anew);
    return suite_run("redial", tests);
}
