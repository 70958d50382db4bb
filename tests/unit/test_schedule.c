#include "engine/schedule.h"

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
        ck_assert_uint_eq(schedule_threads(SCHEDULE_STATIC, 0, num_threads), 0);
}
END_TEST

START_TEST(every_used_thread_has_a_task_and_all_tasks_are_given)
{
    for (uint32_t tasks = 1; tasks <= 70; tasks++)
        for (uint32_t num_threads = 1; num_threads <= MAX_THREADS; num_threads++) {
            uint32_t used = schedule_threads(SCHEDULE_STATIC, tasks, num_threads), task_id = 0;
            struct schedule schedule;

            ck_assert_uint_le(used, num_threads);
            schedule_init(&schedule, SCHEDULE_STATIC, 0, tasks, num_threads, cursors);
            for (uint32_t k = 0; k < used; k++) {
                ck_assert_uint_lt(cursors[k].next, cursors[k].end);
                take(&schedule, k, cursors[k].end - cursors[k].next, &task_id);
            }
            ck_assert_uint_eq(task_id, tasks);
        }
}
END_TEST

START_TEST(schedules_have_names)
{
    ck_assert_str_eq(schedule_name(SCHEDULE_STATIC), "static");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("schedule");

    tcase_add_test(tests, the_static_split_is_the_reference_s);
    tcase_add_test(tests, a_range_is_split_like_an_image_and_keeps_its_numbers);
    tcase_add_test(tests, no_task_uses_no_thread);
    tcase_add_test(tests, every_used_thread_has_a_task_and_all_tasks_are_given);
    tcase_add_test(tests, schedules_have_names);
    return suite_run("schedule", tests);
}
