#include "engine/schedule.h"

#include <pthread.h>
#include <string.h>

#include "engine/grid.h"
#include "suite.h"

#define MAX_THREADS 64

static struct schedule_cursor cursors[MAX_THREADS];

/* Takes a thread's tasks, which must be the next ones after *task_id, `tasks` of them. */
static void take(struct schedule *schedule, uint32_t thread_id, uint32_t tasks, uint32_t *task_id)
{
    uint32_t got;

    for (uint32_t i = 0; i < tasks; i++) {
        ck_assert(schedule_next(schedule, thread_id, &got));
        ck_assert_uint_eq(got, (*task_id)++);
    }
    ck_assert(!schedule_next(schedule, thread_id, &got));
    ck_assert(!schedule_next(schedule, thread_id, &got));
}

/* The vectors' last column: "0*5 1*4" is five tasks for thread 0, then four for thread 1. */
static void check_split(uint32_t tasks, uint32_t num_threads, uint32_t first, char *split)
{
    struct schedule schedule;
    uint32_t task_id = first;

    schedule_init(&schedule, SCHEDULE_STATIC, first, tasks, num_threads, cursors);
    for (char *save, *part = strtok_r(split, " \n", &save); part != NULL;
         part = strtok_r(NULL, " \n", &save)) {
        unsigned thread_id, count;

        ck_assert_int_eq(sscanf(part, "%u*%u", &thread_id, &count), 2);
        take(&schedule, thread_id, count, &task_id);
    }
    ck_assert_uint_eq(task_id, first + tasks);
}

static void check_vector(char *line)
{
    unsigned width, height, tile_w, tile_h, num_threads, tiles, chunk, used;
    int split;
    struct grid grid;

    ck_assert_int_eq(sscanf(line, "%u,%u,%u,%u,%u,%u,%u,%u,%n", &width, &height, &tile_w, &tile_h,
                            &num_threads, &tiles, &chunk, &used, &split),
                     8);
    grid = grid_make(width, height, tile_w, tile_h);
    ck_assert_uint_eq(grid.tiles, tiles);
    ck_assert_uint_eq(schedule_threads(SCHEDULE_STATIC, tiles, num_threads), used);
    check_split(tiles, num_threads, 0, line + split);
}

START_TEST(the_static_split_is_the_reference_s)
{
    FILE *file = suite_vectors("schedule_vectors.csv");
    char line[512];
    int lines = 0;

    for (; fgets(line, sizeof line, file) != NULL; lines++)
        check_vector(line);
    fclose(file);
    ck_assert_int_eq(lines, 12);
}
END_TEST

START_TEST(a_range_is_split_like_an_image_and_keeps_its_numbers)
{
    char split[] = "0*4 1*4 2*3";

    check_split(11, 3, 1000000, split);
}
END_TEST

START_TEST(no_task_uses_no_thread)
{
    for (uint32_t num_threads = 1; num_threads <= 256; num_threads++)
        ck_assert_uint_eq(schedule_threads((enum schedule_kind)_i, 0, num_threads), 0);
}
END_TEST

START_TEST(every_used_thread_has_a_static_task_and_all_tasks_are_given)
{
    for (uint32_t tasks = 1; tasks <= 70; tasks++)
        for (uint32_t num_threads = 1; num_threads <= MAX_THREADS; num_threads++) {
            uint32_t used = schedule_threads(SCHEDULE_STATIC, tasks, num_threads), task_id = 0, first, got;
            struct schedule schedule;

            ck_assert_uint_le(used, num_threads);
            schedule_init(&schedule, SCHEDULE_STATIC, 0, tasks, num_threads, cursors);
            for (uint32_t k = 0; k < used; k++) {
                first = task_id;
                while (schedule_next(&schedule, k, &got))
                    ck_assert_uint_eq(got, task_id++);
                ck_assert_uint_gt(task_id, first);
            }
            ck_assert_uint_eq(task_id, tasks);
        }
}
END_TEST

START_TEST(all_but_static_use_as_many_threads_as_there_are_tasks_for)
{
    ck_assert_uint_eq(schedule_threads((enum schedule_kind)_i, 9, 4), 4);
    ck_assert_uint_eq(schedule_threads((enum schedule_kind)_i, 9, 9), 9);
    ck_assert_uint_eq(schedule_threads((enum schedule_kind)_i, 9, 256), 9);
}
END_TEST

/* Each call is answered with the tasks given, in that order, and then with none. */
static void expect(struct schedule *schedule, uint32_t thread_id, const uint32_t *tasks, size_t count)
{
    uint32_t got;

    for (size_t i = 0; i < count; i++) {
        ck_assert(schedule_next(schedule, thread_id, &got));
        ck_assert_uint_eq(got, tasks[i]);
    }
}

static void expect_none(struct schedule *schedule, uint32_t threads)
{
    uint32_t got;

    for (uint32_t k = 0; k < threads; k++)
        ck_assert(!schedule_next(schedule, k, &got));
}

START_TEST(cyclic_deals_the_tasks_out_like_cards)
{
    static const uint32_t zero[] = {50, 53, 56, 59}, one[] = {51, 54, 57}, two[] = {52, 55, 58};
    struct schedule schedule;

    schedule_init(&schedule, SCHEDULE_CYCLIC, 50, 10, 3, cursors);
    expect(&schedule, 0, zero, 4);
    expect(&schedule, 2, two, 3);
    expect(&schedule, 1, one, 3);
    expect_none(&schedule, 3);
}
END_TEST

START_TEST(dynamic_gives_the_next_task_to_whoever_asks)
{
    struct schedule schedule;

    schedule_init(&schedule, SCHEDULE_DYNAMIC, 7, 5, 3, cursors);
    for (uint32_t i = 0; i < 5; i++)
        expect(&schedule, (i * 2) % 3, &(uint32_t){7 + i}, 1);
    expect_none(&schedule, 3);
}
END_TEST

/* Of 20 tasks and 2 threads: blocks of 5, 4, 3, 2, 2, 1, 1, 1, 1. */
START_TEST(guided_gives_shrinking_blocks)
{
    static const uint32_t first[] = {0, 1, 2, 3, 4}, second[] = {5, 6, 7, 8}, third[] = {9, 10, 11};
    struct schedule schedule;

    schedule_init(&schedule, SCHEDULE_GUIDED, 0, 20, 2, cursors);
    expect(&schedule, 0, first, 1);
    expect(&schedule, 1, second, 4);
    expect(&schedule, 1, third, 3);
    expect(&schedule, 0, first + 1, 4);
    expect(&schedule, 0, &(uint32_t){12}, 1);
    expect(&schedule, 1, &(uint32_t){14}, 1);
    expect(&schedule, 0, &(uint32_t){13}, 1);
}
END_TEST

/* Three threads, chunks of 4: the first is done and takes the back half of the fullest one's rest. */
START_TEST(stealing_takes_half_of_the_fullest_one_s_rest)
{
    static const uint32_t own[] = {0, 1, 2, 3}, stolen[] = {10, 11}, others[] = {8, 9};
    struct schedule schedule;

    schedule_init(&schedule, SCHEDULE_STEALING, 0, 12, 3, cursors);
    expect(&schedule, 0, own, 4);
    expect(&schedule, 1, &(uint32_t){4}, 1);
    expect(&schedule, 0, stolen, 2);
    expect(&schedule, 2, others, 2);
    expect(&schedule, 0, &(uint32_t){6}, 1); /* of 5, 6, 7: the back half is 6, 7 */
    expect(&schedule, 2, &(uint32_t){7}, 1);
    expect(&schedule, 0, &(uint32_t){5}, 1);
    expect_none(&schedule, 3);
}
END_TEST

START_TEST(stealing_keeps_more_threads_busy_than_static)
{
    struct schedule schedule;
    uint32_t got;

    ck_assert_uint_eq(schedule_threads(SCHEDULE_STATIC, 9, 8), 5);
    schedule_init(&schedule, SCHEDULE_STEALING, 0, 9, 8, cursors);
    for (uint32_t k = 0; k < 8; k++)
        ck_assert(schedule_next(&schedule, k, &got));
}
END_TEST

struct taker {
    struct schedule *schedule;
    uint32_t thread_id;
    atomic_uint *given;
};

static void *take_all(void *arg)
{
    const struct taker *taker = arg;
    uint32_t got;

    while (schedule_next(taker->schedule, taker->thread_id, &got))
        atomic_fetch_add(&taker->given[got], 1);
    return NULL;
}

/* Every schedule, many threads at once: no task twice, none left out. */
START_TEST(each_task_is_given_exactly_once)
{
    enum schedule_kind kind = (enum schedule_kind)(_i % SCHEDULE_KINDS);
    uint32_t tasks = (uint32_t[]){1, 7, 1000, 200000}[_i / SCHEDULE_KINDS], used;
    atomic_uint *given = calloc(tasks, sizeof *given);
    struct taker takers[8];
    pthread_t threads[8];
    struct schedule schedule;

    ck_assert_ptr_nonnull(given);
    used = schedule_threads(kind, tasks, 8);
    schedule_init(&schedule, kind, 0, tasks, 8, cursors);
    for (uint32_t k = 0; k < used; k++) {
        takers[k] = (struct taker){&schedule, k, given};
        ck_assert_int_eq(pthread_create(&threads[k], NULL, take_all, &takers[k]), 0);
    }
    for (uint32_t k = 0; k < used; k++)
        pthread_join(threads[k], NULL);
    for (uint32_t task = 0; task < tasks; task++)
        ck_assert_uint_eq(given[task], 1);
    free(given);
}
END_TEST

START_TEST(schedules_have_names)
{
    static const char *const names[] = {"static", "cyclic", "dynamic", "guided", "stealing"};

    ck_assert_str_eq(schedule_name((enum schedule_kind)_i), names[_i]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("schedule");

    tcase_add_test(tests, the_static_split_is_the_reference_s);
    tcase_add_test(tests, a_range_is_split_like_an_image_and_keeps_its_numbers);
    tcase_add_loop_test(tests, no_task_uses_no_thread, 0, SCHEDULE_KINDS);
    tcase_add_test(tests, every_used_thread_has_a_static_task_and_all_tasks_are_given);
    tcase_add_loop_test(tests, all_but_static_use_as_many_threads_as_there_are_tasks_for, 1, SCHEDULE_KINDS);
    tcase_add_test(tests, cyclic_deals_the_tasks_out_like_cards);
    tcase_add_test(tests, dynamic_gives_the_next_task_to_whoever_asks);
    tcase_add_test(tests, guided_gives_shrinking_blocks);
    tcase_add_test(tests, stealing_takes_half_of_the_fullest_one_s_rest);
    tcase_add_test(tests, stealing_keeps_more_threads_busy_than_static);
    tcase_add_loop_test(tests, each_task_is_given_exactly_once, 0, 4 * SCHEDULE_KINDS);
    tcase_add_loop_test(tests, schedules_have_names, 0, SCHEDULE_KINDS);
    return suite_run("schedule", tests);
}
