#include "lanes.h"

#include <math.h>

#include "suite.h"

#define PARTS 64u

static struct tilery_record tile(uint32_t thread, uint64_t start_ns, uint64_t duration_ns)
{
    return (struct tilery_record){.thread_id = thread, .start_time_ns = start_ns, .duration_ns = duration_ns};
}

static void add(struct lanes *lanes, uint32_t thread, uint64_t start_ns, uint64_t duration_ns)
{
    const struct tilery_record record = tile(thread, start_ns, duration_ns);

    lanes_add(lanes, &record);
}

/* Busy in every second tenth of the time, from one microsecond to an hour. */
START_TEST(parts_are_as_busy_as_the_tiles_that_lie_in_them)
{
    for (uint64_t tenth = 100; tenth < UINT64_C(400000000000); tenth = tenth * 7 + 3) {
        struct lanes lanes;
        double parts[10];

        ck_assert(lanes_begin(&lanes, 2));
        for (unsigned i = 0; i < 10; i += 2) {
            add(&lanes, 1, i * tenth, tenth / 2);
            add(&lanes, 1, i * tenth + tenth / 2, tenth - tenth / 2);
        }
        add(&lanes, 0, 9 * tenth, tenth);
        ck_assert_uint_eq(lanes.end_ns, 10 * tenth);
        ck_assert_double_eq_tol(lanes.busy_ns[1], 5 * (double)tenth, 1e-3);
        lanes_parts(&lanes, 1, parts, 10);
        for (unsigned i = 0; i < 10 && tenth > 1000; i++)
            ck_assert_double_eq_tol(parts[i], i % 2 == 0, 0.05);
        lanes_parts(&lanes, 0, parts, 1);
        ck_assert_double_eq_tol(parts[0], 0.1, 0.02);
        lanes_end(&lanes);
    }
}
END_TEST

/* In any order, over any number of widenings. */
START_TEST(no_time_is_lost)
{
    struct lanes lanes;
    double parts[PARTS], sum = 0, expected = 0;

    ck_assert(lanes_begin(&lanes, 1));
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t start = (i * 7919) % 100000 * 1000003;

        add(&lanes, 0, start, 900001);
        expected += 900001;
    }
    ck_assert_double_eq_tol(lanes.busy_ns[0], expected, 1);
    lanes_parts(&lanes, 0, parts, PARTS);
    for (unsigned i = 0; i < PARTS; i++) {
        ck_assert_double_eq_tol(parts[i], 0.9, 0.02);
        sum += parts[i] / PARTS * (double)lanes.end_ns;
    }
    ck_assert_double_eq_tol(sum / expected, 1, 1e-3);
    lanes_end(&lanes);
}
END_TEST

/* Of a run of many tiles a frame looks at as many bins as of a short one, and at no tile. */
START_TEST(the_bins_stay_as_many_as_they_are)
{
    struct lanes lanes;

    ck_assert(lanes_begin(&lanes, 1));
    for (uint64_t i = 0; i < 1000000; i++)
        add(&lanes, 0, i * 1000, 1000);
    ck_assert_uint_ge(LANES_BINS * lanes.bin_ns, lanes.end_ns);
    ck_assert_uint_lt(LANES_BINS * lanes.bin_ns, 2 * lanes.end_ns);
    lanes_end(&lanes);
}
END_TEST

START_TEST(threads_without_a_lane_and_times_beyond_belief_do_no_harm)
{
    struct lanes lanes;
    double part;

    ck_assert(lanes_begin(&lanes, 1));
    add(&lanes, 1, 0, 2000);
    add(&lanes, UINT32_MAX, 0, 1000);
    add(&lanes, 0, UINT64_MAX, 1);
    add(&lanes, 0, 1, UINT64_MAX);
    ck_assert_uint_eq(lanes.end_ns, 2000);
    lanes_parts(&lanes, 0, &part, 1);
    ck_assert(part < 1e-9 && lanes.busy_ns[0] < 1);
    lanes_end(&lanes);
    ck_assert(lanes_begin(&lanes, 0));
    add(&lanes, 0, 0, 1);
    lanes_end(&lanes);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("lanes");

    tcase_add_test(tests, parts_are_as_busy_as_the_tiles_that_lie_in_them);
    tcase_add_test(tests, no_time_is_lost);
    tcase_add_test(tests, the_bins_stay_as_many_as_they_are);
    tcase_add_test(tests, threads_without_a_lane_and_times_beyond_belief_do_no_harm);
    return suite_run("lanes", tests);
}
