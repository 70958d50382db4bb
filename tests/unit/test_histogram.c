#include "service/histogram.h"

#include <pthread.h>

#include "suite.h"

static uint64_t total(const struct histogram *histogram)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += histogram->counts[i];
    return sum;
}

START_TEST(a_time_is_in_the_bucket_whose_bound_it_does_not_exceed)
{
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
        struct histogram histogram = {.sum_ns = 0};

        histogram_add(&histogram, histogram_bounds_ns[i]);
        ck_assert_uint_eq(histogram.counts[i], 1);
        histogram_add(&histogram, histogram_bounds_ns[i] + 1);
        ck_assert_uint_eq(histogram.counts[i + 1], 1);
        ck_assert_uint_eq(total(&histogram), 2);
        ck_assert_uint_eq(histogram.sum_ns, 2 * histogram_bounds_ns[i] + 1);
    }
}
END_TEST

START_TEST(no_time_and_the_longest_are_in_the_first_and_the_last_bucket)
{
    struct histogram histogram = {.sum_ns = 0};

    histogram_add(&histogram, 0);
    histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram.counts[0], 1);
    ck_assert_uint_eq(histogram.counts[HISTOGRAM_BUCKETS - 1], 1);
}
END_TEST

#define THREADS 4
#define TIMES UINT64_C(20000)

static void *add_many(void *histogram)
{
    for (uint64_t i = 0; i < TIMES; i++)
        histogram_add(histogram, i);
    return NULL;
}

START_TEST(nothing_is_lost_when_threads_add_at_once)
{
    static struct histogram histogram;
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, &histogram), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(total(&histogram), THREADS * TIMES);
    ck_assert_uint_eq(histogram.sum_ns, THREADS * (TIMES * (TIMES - 1) / 2));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("histogram");

    tcase_add_test(tests, a_time_is_in_the_bucket_whose_bound_it_does_not_exceed);
    tcase_add_test(tests, no_time_and_the_longest_are_in_the_first_and_the_last_bucket);
    tcase_add_test(tests, nothing_is_lost_when_threads_add_at_once);
    return suite_run("histogram", tests);
}
