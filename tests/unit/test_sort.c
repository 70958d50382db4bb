#include "engine/sort.h"

#include "suite.h"

#define NS_PER_MS UINT64_C(1000000)
#define MOST 300

/* The plain way: each record moves before those that start in a later millisecond. */
static void insertion_sort(struct run_record *records, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct run_record record = records[i];
        size_t at = i;

        for (; at > 0 && records[at - 1].start_ns / NS_PER_MS > record.start_ns / NS_PER_MS; at--)
            records[at] = records[at - 1];
        records[at] = record;
    }
}

/* Sorts both ways; task_id must hold the finishing order, so that it tells equal records apart. */
static void check_sorted(struct run_record *records, size_t count)
{
    struct run_record expected[MOST], scratch[MOST];

    for (size_t i = 0; i < count; i++) {
        records[i].task_id = (uint32_t)i;
        expected[i] = records[i];
    }
    insertion_sort(expected, count);
    sort_records(records, count, scratch);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(records[i].task_id, expected[i].task_id);
        ck_assert_uint_eq(records[i].start_ns, expected[i].start_ns);
    }
}

START_TEST(none_and_one_stay_as_they_are)
{
    struct run_record record = {.start_ns = 5, .duration_ns = 6, .thread_id = 7}, scratch;

    sort_records(&record, 0, &scratch);
    check_sorted(&record, 1);
    ck_assert_uint_eq(record.duration_ns, 6);
    ck_assert_uint_eq(record.thread_id, 7);
}
END_TEST

START_TEST(the_document_s_example_comes_out_in_its_order)
{
    static const uint32_t finished[] = {0, 1, 5, 2, 6, 3, 7, 8, 4};
    static const uint64_t start_ms[] = {0, 1, 1, 2, 2, 3, 3, 4, 4};
    struct run_record records[9] = {0}, scratch[9];

    for (size_t i = 0; i < 9; i++)
        records[i] = (struct run_record){.start_ns = start_ms[i] * NS_PER_MS, .task_id = finished[i]};
    sort_records(records, 9, scratch);
    for (size_t i = 0; i < 9; i++)
        ck_assert_uint_eq(records[i].task_id, finished[i]);
}
END_TEST

START_TEST(equal_milliseconds_keep_finishing_order)
{
    struct run_record records[] = {{.start_ns = 2 * NS_PER_MS}, {.start_ns = 1 * NS_PER_MS},
                                   {.start_ns = 2 * NS_PER_MS}, {.start_ns = 1 * NS_PER_MS},
                                   {.start_ns = 2 * NS_PER_MS}, {.start_ns = 1 * NS_PER_MS}};
    static const uint32_t expected[] = {1, 3, 5, 0, 2, 4};

    check_sorted(records, 6);
    for (size_t i = 0; i < 6; i++)
        ck_assert_uint_eq(records[i].task_id, expected[i]);
}
END_TEST

START_TEST(nanoseconds_within_a_millisecond_do_not_count)
{
    struct run_record records[] = {{.start_ns = 3 * NS_PER_MS},
                                   {.start_ns = 2 * NS_PER_MS - 1},
                                   {.start_ns = 1 * NS_PER_MS},
                                   {.start_ns = NS_PER_MS - 1},
                                   {.start_ns = 0}};
    static const uint32_t expected[] = {3, 4, 1, 2, 0};

    check_sorted(records, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(records[i].task_id, expected[i]);
}
END_TEST

START_TEST(ascending_and_descending_starts_are_sorted)
{
    struct run_record up[MOST] = {0}, down[MOST] = {0};

    for (size_t i = 0; i < MOST; i++) {
        up[i].start_ns = i / 2 * NS_PER_MS;
        down[i].start_ns = (MOST - i) / 2 * NS_PER_MS;
    }
    check_sorted(up, MOST);
    check_sorted(down, MOST);
}
END_TEST

START_TEST(random_starts_come_out_as_from_an_insertion_sort)
{
    uint32_t state = 1;

    for (size_t count = 0; count <= MOST; count++) {
        struct run_record records[MOST] = {0};

        for (size_t i = 0; i < count; i++) {
            state = state * 1664525u + 1013904223u;
            records[i].start_ns = (state >> 8) % (NS_PER_MS * (1 + count / 3));
        }
        check_sorted(records, count);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("sort");

    tcase_add_test(tests, none_and_one_stay_as_they_are);
    tcase_add_test(tests, the_document_s_example_comes_out_in_its_order);
    tcase_add_test(tests, equal_milliseconds_keep_finishing_order);
    tcase_add_test(tests, nanoseconds_within_a_millisecond_do_not_count);
    tcase_add_test(tests, ascending_and_descending_starts_are_sorted);
    tcase_add_test(tests, random_starts_come_out_as_from_an_insertion_sort);
    return suite_run("sort", tests);
}
