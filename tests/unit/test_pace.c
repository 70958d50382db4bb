#include "pace.h"

#include "suite.h"

#define S UINT64_C(1000000000)

START_TEST(nothing_is_due_before_its_time)
{
    struct pace pace = {.start_ns = 5 * S, .end_ns = 6 * S, .rate = 10};
    uint64_t due;

    ck_assert(!pace_take(&pace, 5 * S - 1, &due));
    ck_assert(pace_take(&pace, 5 * S, &due));
    ck_assert_uint_eq(due, 5 * S);
    ck_assert(!pace_take(&pace, 5 * S + S / 10 - 1, &due));
    ck_assert_uint_eq(pace_when(&pace), 5 * S + S / 10);
    ck_assert(pace_take(&pace, 5 * S + S / 10, &due));
}
END_TEST

/* A clock that stood still for 2 s: what fell due meanwhile is due with its own times, not from now on. */
START_TEST(who_falls_behind_sends_all_that_was_due_by_its_own_time)
{
    struct pace pace = {.start_ns = 0, .end_ns = 10 * S, .rate = 100};
    uint64_t due, count = 0;

    while (pace_take(&pace, 2 * S, &due)) {
        ck_assert_uint_eq(due, count * (S / 100));
        count++;
    }
    ck_assert_uint_eq(count, 201);
    ck_assert_uint_eq(pace_when(&pace), 2 * S + S / 100);
}
END_TEST

/* At a rate that divides nothing, through an hour: the error stays below a nanosecond. */
START_TEST(the_rate_does_not_drift)
{
    struct pace pace = {.start_ns = 7, .end_ns = 4000 * S, .rate = 7777, .taken = UINT64_C(7777) * 3600};
    uint64_t due;

    ck_assert_uint_eq(pace_when(&pace), 3600 * S + 7);
    pace.taken += 1;
    ck_assert(pace_take(&pace, 3601 * S, &due));
    ck_assert_uint_eq(due, 3600 * S + 7 + S / 7777);
}
END_TEST

START_TEST(there_are_as_many_as_the_rate_says_and_then_none)
{
    struct pace pace = {.start_ns = 3, .end_ns = 3 + 2 * S, .rate = 333};
    uint64_t due, count = 0;

    while (pace_take(&pace, UINT64_MAX - 1, &due))
        count++;
    ck_assert_uint_eq(count, 666);
    ck_assert_uint_eq(pace_when(&pace), UINT64_MAX);
    ck_assert(!pace_take(&pace, UINT64_MAX, &due));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("pace");

    tcase_add_test(tests, nothing_is_due_before_its_time);
    tcase_add_test(tests, who_falls_behind_sends_all_that_was_due_by_its_own_time);
    tcase_add_test(tests, the_rate_does_not_drift);
    tcase_add_test(tests, there_are_as_many_as_the_rate_says_and_then_none);
    return suite_run("pace", tests);
}
