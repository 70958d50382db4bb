/* Cancels that wait for what they name, without a server. */
#include "service/cancels.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

#include "compute.pb-c.h"

#define MANY 4000
/* Of the contexts, this many are for what must be heard whatever waits and runs: see daemon.c. */
#define RESERVE 32
/* Whoever cancels what is not there waits no longer. */
#define MOMENT_MS 100

struct rpc_call {
    void *memory;
    uint64_t limit_ms;
    rpc_cancel_fn *hook;
    void *hook_arg;
    unsigned replies;
    bool found;
};

static struct rpc_call calls[MANY];
static struct cancels *cancels;

void *rpc_call_alloc(struct rpc_call *call, size_t size)
{
    call->memory = calloc(1, size);
    return call->memory;
}

void rpc_call_limit(struct rpc_call *call, uint64_t timeout_ms)
{
    call->limit_ms = timeout_ms;
}

void rpc_call_defer(struct rpc_call *call, rpc_cancel_fn *hook, void *arg)
{
    ck_assert_uint_ne(call->limit_ms, 0);
    ck_assert_uint_le(call->limit_ms, MOMENT_MS);
    call->hook = hook;
    call->hook_arg = arg;
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *message)
{
    call->replies++;
    call->found = ((const Tilery__V1__CancelReply *)(const void *)message)->found;
}

static bool find_none(void *arg, const char *id)
{
    (void)arg;
    (void)id;
    return false;
}

/* How many wait of those that have begun. */
static size_t waiting(void)
{
    size_t count = 0;

    for (size_t i = 0; i < MANY; i++)
        count += calls[i].hook != NULL && calls[i].replies == 0;
    return count;
}

static void wait_for(size_t i)
{
    char id[16];

    (void)snprintf(id, sizeof id, "request-%zu", i);
    cancels_wait(cancels, &calls[i], id, find_none, NULL);
}

static void arrive(size_t i)
{
    char id[16];

    (void)snprintf(id, sizeof id, "request-%zu", i);
    cancels_arrived(cancels, id, false, find_none, NULL);
}

static void start(void)
{
    memset(calls, 0, sizeof calls);
    cancels = cancels_create();
    ck_assert_ptr_nonnull(cancels);
}

static void end(void)
{
    cancels_free(cancels);
    for (size_t i = 0; i < MANY; i++)
        free(calls[i].memory);
}

START_TEST(few_wait_and_the_others_are_answered_at_once)
{
    size_t most;

    for (size_t i = 0; i < MANY; i++)
        wait_for(i);
    most = waiting();
    ck_assert_uint_ge(most, 1);
    ck_assert_uint_le(most, RESERVE / 2);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_uint_eq(calls[i].replies, i < most ? 0 : 1);
        ck_assert(!calls[i].found);
    }
}
END_TEST

START_TEST(one_whose_request_comes_makes_room_for_another)
{
    size_t most;

    for (size_t i = 0; i < RESERVE; i++)
        wait_for(i);
    most = waiting();
    arrive(1);
    ck_assert_uint_eq(calls[1].replies, 1);
    ck_assert(calls[1].found);
    ck_assert_uint_eq(waiting(), most - 1);
    wait_for(RESERVE);
    wait_for(RESERVE + 1);
    ck_assert_uint_eq(calls[RESERVE].replies, 0);
    ck_assert_uint_eq(calls[RESERVE + 1].replies, 1);
    arrive(RESERVE);
    ck_assert(calls[RESERVE].found);
}
END_TEST

START_TEST(one_whose_time_is_up_makes_room_for_another)
{
    size_t most;

    for (size_t i = 0; i < RESERVE; i++)
        wait_for(i);
    most = waiting();
    calls[0].hook(calls[0].hook_arg, WIRE_DEADLINE_EXCEEDED);
    ck_assert_uint_eq(calls[0].replies, 1);
    ck_assert(!calls[0].found);
    arrive(0); /* too late for it */
    ck_assert_uint_eq(calls[0].replies, 1);
    ck_assert_uint_eq(waiting(), most - 1);
    wait_for(RESERVE);
    ck_assert_uint_eq(waiting(), most);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("cancels");

    tcase_add_checked_fixture(tests, start, end);
    tcase_add_test(tests, few_wait_and_the_others_are_answered_at_once);
    tcase_add_test(tests, one_whose_request_comes_makes_room_for_another);
    tcase_add_test(tests, one_whose_time_is_up_makes_room_for_another);
    return suite_run("cancels", tests);
}
