#include "engine/run.h"

#include <stdatomic.h>
#include <string.h>

#include "image.h"
#include "suite.h"

#define NS_PER_MS UINT64_C(1000000)

/* Every planned task has one record, in order of its start's millisecond; says which thread had it. */
static void check_complete(const struct run *run, uint32_t *thread_of_task)
{
    const struct run_spec *spec = run_spec(run);
    size_t count;
    const struct run_record *records = run_records(run, &count);

    ck_assert_uint_eq(count, spec->task_count);
    memset(thread_of_task, 0xff, count * sizeof *thread_of_task);
    for (size_t i = 0; i < count; i++) {
        uint32_t task = records[i].task_id - spec->first_task;

        ck_assert_uint_lt(task, count);
        ck_assert_uint_eq(thread_of_task[task], UINT32_MAX);
        thread_of_task[task] = records[i].thread_id;
        ck_assert(i == 0 || records[i - 1].start_ns / NS_PER_MS <= records[i].start_ns / NS_PER_MS);
        ck_assert_uint_le(records[i].start_ns + records[i].duration_ns, run_summary(run).wall_ns);
    }
}

START_TEST(every_task_is_recorded_once_on_the_thread_of_the_schedule)
{
    struct run_spec spec = image_small(3);
    struct run *run = image_run(&spec, NULL);
    uint32_t thread_of_task[12];

    check_complete(run, thread_of_task);
    for (uint32_t task = 0; task < 12; task++)
        ck_assert_uint_eq(thread_of_task[task], task / 4);
    run_free(run);
}
END_TEST

START_TEST(a_range_is_recorded_with_the_whole_image_s_numbers)
{
    struct run_spec spec = image_small(2);
    uint32_t thread_of_task[5];
    struct run *run;

    spec.first_task = 6;
    spec.task_count = 5;
    run = image_run(&spec, NULL);
    check_complete(run, thread_of_task);
    for (uint32_t task = 0; task < 5; task++)
        ck_assert_uint_eq(thread_of_task[task], task / 3);
    ck_assert_uint_eq(run_summary(run).tiles_planned, 5);
    ck_assert_uint_eq(run_summary(run).pixels, 32 * 32 + 4 * 32 + 3 * 32 * 6); /* tasks 6, 7 and 8 to 10 */
    run_free(run);
}
END_TEST

START_TEST(fewer_threads_than_asked_for_are_used_when_the_schedule_says_so)
{
    struct run_spec spec = image_small(5);
    uint32_t thread_of_task[12];
    struct run *run = image_run(&spec, NULL);

    ck_assert_uint_eq(run_threads(run), 4);
    ck_assert_uint_eq(run_summary(run).threads, 4);
    check_complete(run, thread_of_task);
    ck_assert_uint_eq(thread_of_task[11], 3);
    run_free(run);
}
END_TEST

START_TEST(a_sequential_run_goes_in_task_order_on_thread_0)
{
    struct run_spec spec = image_small(8);
    const struct run_record *records;
    struct run *run;
    size_t count;

    spec.sequential = true;
    run = image_run(&spec, NULL);
    ck_assert_uint_eq(run_summary(run).threads, 1);
    records = run_records(run, &count);
    ck_assert_uint_eq(count, 12);
    for (uint32_t i = 0; i < 12; i++) {
        ck_assert_uint_eq(records[i].task_id, i);
        ck_assert_uint_eq(records[i].thread_id, 0);
        ck_assert(i == 0 || records[i - 1].start_ns + records[i - 1].duration_ns <= records[i].start_ns);
    }
    run_free(run);
}
END_TEST

START_TEST(the_summary_s_sums_are_those_of_the_image_and_the_threads)
{
    struct run_spec spec = image_small(3);
    uint16_t *counts = image_compute(spec.kernel, &spec.plane);
    struct run *run = image_run(&spec, NULL);
    struct run_summary summary = run_summary(run);
    uint64_t tiles = 0, pixels = 0, iterations = 0;

    for (uint32_t k = 0; k < summary.threads; k++) {
        tiles += run_thread(run, k)->tiles;
        pixels += run_thread(run, k)->pixels;
        iterations += run_thread(run, k)->iterations;
    }
    ck_assert_uint_eq(summary.pixels, 100 * 70);
    ck_assert_uint_eq(summary.iterations, image_sum(counts, 100 * 70));
    ck_assert_uint_eq(summary.tiles_done, 12);
    ck_assert_uint_eq(summary.tiles_planned, 12);
    ck_assert(!summary.time_limited && !summary.cancelled);
    ck_assert_uint_eq(tiles, summary.tiles_done);
    ck_assert_uint_eq(pixels, summary.pixels);
    ck_assert_uint_eq(iterations, summary.iterations);
    run_free(run);
    free(counts);
}
END_TEST

START_TEST(busy_time_and_imbalance_follow_from_the_records)
{
    struct run_spec spec = image_small(3);
    struct run *run = image_run(&spec, NULL);
    uint64_t busy[3] = {0}, total = 0, most = 0;
    size_t count;
    const struct run_record *records = run_records(run, &count);

    for (size_t i = 0; i < count; i++)
        busy[records[i].thread_id] += records[i].duration_ns;
    for (uint32_t k = 0; k < 3; k++) {
        ck_assert_uint_eq(run_thread(run, k)->busy_ns, busy[k]);
        total += busy[k];
        most = busy[k] > most ? busy[k] : most;
    }
    ck_assert_double_eq_tol(run_summary(run).imbalance, 3.0 * (double)most / (double)total, 1e-9);
    run_free(run);
}
END_TEST

/* A sink with room for the 12 tiles, which notes what it is given. */
struct notes {
    uint16_t room[12][32 * 32];
    struct run_record record[12];
    struct tile tile[12];
    unsigned finished[12], computed[12]; /* each task's own */
    atomic_uint asked;
    unsigned most; /* refuses after so many */
};

static uint16_t *take_room(void *arg, uint32_t task_id, struct tile tile)
{
    struct notes *notes = arg;

    notes->tile[task_id] = tile;
    return atomic_fetch_add(&notes->asked, 1) < notes->most ? notes->room[task_id] : NULL;
}

static void note_tile(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                      bool computed)
{
    struct notes *notes = arg;
    uint32_t task_id = record->task_id;

    ck_assert_ptr_eq(counts, notes->room[task_id]);
    ck_assert_mem_eq(&tile, &notes->tile[task_id], sizeof tile);
    notes->record[task_id] = *record;
    notes->finished[task_id]++;
    notes->computed[task_id] += computed;
}

static void run_with_notes(const struct run_spec *spec, struct notes *notes, unsigned most)
{
    struct run_sink sink = {.acquire = take_room, .finish = note_tile, .arg = notes};

    memset(notes, 0, sizeof *notes);
    notes->most = most;
    run_free(image_run(spec, &sink));
}

static struct notes notes;

START_TEST(a_sink_gets_each_tile_once_clipped_and_whole)
{
    struct run_spec spec = image_small(3);
    uint16_t expected[32 * 32];

    run_with_notes(&spec, &notes, 12);
    for (uint32_t task = 0; task < 12; task++) {
        struct tile tile = grid_tile(&spec.grid, task);
        atomic_bool stop = false;

        ck_assert_uint_eq(notes.finished[task], 1);
        ck_assert_uint_eq(notes.computed[task], 1);
        ck_assert_uint_eq(notes.record[task].thread_id, task / 4);
        ck_assert_mem_eq(&notes.tile[task], &tile, sizeof tile);
        ck_assert(
            spec.kernel->compute(&spec.plane, tile.x, tile.y, tile.columns, tile.rows, expected, &stop));
        ck_assert_mem_eq(notes.room[task], expected, sizeof *expected * tile.columns * tile.rows);
    }
}
END_TEST

START_TEST(a_sink_that_has_no_room_ends_the_thread)
{
    struct run_spec spec = image_small(1);

    run_with_notes(&spec, &notes, 5);
    ck_assert_uint_eq(atomic_load(&notes.asked), 6);
    for (uint32_t task = 0; task < 12; task++)
        ck_assert_uint_eq(notes.computed[task], task < 5);
}
END_TEST

START_TEST(a_sink_gets_its_room_back_when_the_limit_is_reached)
{
    struct run_spec spec = image_small(1);

    spec.time_limit_ms = 0;
    run_with_notes(&spec, &notes, 12);
    ck_assert_uint_eq(notes.finished[0], 1);
    ck_assert_uint_eq(notes.computed[0], 0);
    ck_assert_uint_eq(notes.finished[1], 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("run");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_task_is_recorded_once_on_the_thread_of_the_schedule);
    tcase_add_test(tests, a_range_is_recorded_with_the_whole_image_s_numbers);
    tcase_add_test(tests, fewer_threads_than_asked_for_are_used_when_the_schedule_says_so);
    tcase_add_test(tests, a_sequential_run_goes_in_task_order_on_thread_0);
    tcase_add_test(tests, the_summary_s_sums_are_those_of_the_image_and_the_threads);
    tcase_add_test(tests, busy_time_and_imbalance_follow_from_the_records);
    tcase_add_test(tests, a_sink_gets_each_tile_once_clipped_and_whole);
    tcase_add_test(tests, a_sink_that_has_no_room_ends_the_thread);
    tcase_add_test(tests, a_sink_gets_its_room_back_when_the_limit_is_reached);
    return suite_run("run", tests);
}
