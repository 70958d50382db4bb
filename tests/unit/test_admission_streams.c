#include <string.h>

#include "service/admission.h"

#include "jobs.h"
#include "suite.h"

/* Four threads, of which streams have two; six jobs may wait, of which three may be streams. */
static void set_up(void)
{
    jobs_set_up(4, 6);
}

/* Fails unless streams may have two threads, and no more. */
static void check_share_is_free(void)
{
    struct held_job *one = jobs_submit_stream(1), *other = jobs_submit_stream(1);
    struct held_job *third = jobs_submit_stream(1);

    jobs_check_runs(one);
    jobs_check_runs(other);
    jobs_check_waits(third);
    jobs_end(one);
    jobs_check_runs(third);
    jobs_end(other);
    jobs_end(third);
}

START_TEST(streams_have_at_most_half_of_the_threads)
{
    check_share_is_free();
    check_share_is_free();
}
END_TEST

START_TEST(a_stream_that_waits_for_its_share_lets_others_pass)
{
    struct held_job *stream = jobs_submit_stream(2), *waiting = jobs_submit_stream(1);
    struct held_job *passing = jobs_submit("", 2), *full = jobs_submit("", 1);

    jobs_check_runs(stream);
    jobs_check_waits(waiting);
    jobs_check_runs(passing);
    jobs_check_waits(full);
    jobs_end(passing);
    jobs_check_waits(waiting);
    jobs_check_runs(full);
    jobs_end(stream);
    jobs_check_runs(waiting);
    jobs_end(full);
    jobs_end(waiting);
    check_share_is_free();
}
END_TEST

START_TEST(a_stream_whose_share_is_free_is_not_passed)
{
    struct held_job *running = jobs_submit("", 3), *stream = jobs_submit_stream(2);
    struct held_job *behind = jobs_submit("", 1);

    jobs_check_waits(stream);
    jobs_check_waits(behind);
    jobs_end(running);
    jobs_check_runs(stream);
    jobs_check_runs(behind);
    jobs_end(behind);
    jobs_end(stream);
}
END_TEST

START_TEST(a_stream_passes_nobody)
{
    struct held_job *running = jobs_submit("", 3), *wide = jobs_submit("", 2);
    struct held_job *stream = jobs_submit_stream(1);

    jobs_check_runs(running);
    jobs_check_waits(wide);
    jobs_check_waits(stream);
    jobs_end(running);
    jobs_check_runs(wide);
    jobs_check_runs(stream);
    jobs_end(wide);
    jobs_end(stream);
}
END_TEST

START_TEST(streams_keep_their_order_among_themselves)
{
    struct held_job *first = jobs_submit_stream(1), *wide = jobs_submit_stream(2);
    struct held_job *narrow = jobs_submit_stream(1);

    jobs_check_runs(first);
    jobs_check_waits(wide);
    jobs_check_waits(narrow);
    jobs_end(first);
    jobs_check_runs(wide);
    jobs_check_waits(narrow);
    jobs_end(wide);
    jobs_end(narrow);
}
END_TEST

START_TEST(of_two_that_wait_the_stream_goes_first_when_it_came_first)
{
    struct held_job *stream = jobs_submit_stream(2), *unary = jobs_submit("", 2);
    struct held_job *next_stream = jobs_submit_stream(2), *next_unary = jobs_submit("", 2);

    jobs_end(stream);
    jobs_check_runs(next_stream);
    jobs_check_waits(next_unary);
    jobs_end(next_stream);
    jobs_check_runs(next_unary);
    jobs_end(unary);
    jobs_end(next_unary);
}
END_TEST

/* Streams may pause for ever: a job that could never fit beside all their threads waits for the others only.
 */
START_TEST(a_job_wider_than_streams_leave_runs_beside_them_once_no_other_runs)
{
    uint32_t width = (uint32_t)_i;
    struct held_job *stream = jobs_submit_stream(1), *unary = jobs_submit("", 1);
    struct held_job *wide = jobs_submit("", width), *behind = jobs_submit("", 1);

    jobs_check_waits(wide);
    jobs_end(unary);
    jobs_check_runs(wide);
    jobs_check_waits(behind);
    jobs_end(wide);
    jobs_check_runs(behind);
    jobs_end(behind);
    jobs_end(stream);
}
END_TEST

START_TEST(a_stream_wider_than_the_share_counts_as_the_share)
{
    uint32_t width = (uint32_t)_i;
    struct held_job *wide = jobs_submit_stream(width), *stream = jobs_submit_stream(1);
    struct held_job *unary = jobs_submit("", 2), *full = jobs_submit("", 1);

    jobs_check_runs(wide);
    jobs_check_waits(stream);
    jobs_check_runs(unary);
    jobs_check_waits(full);
    jobs_end(wide);
    jobs_check_runs(stream);
    jobs_check_runs(full);
    jobs_end(stream);
    jobs_end(unary);
    jobs_end(full);
    check_share_is_free();
}
END_TEST

START_TEST(a_stream_wider_than_the_share_waits_until_no_other_stream_runs)
{
    struct held_job *stream = jobs_submit_stream(1), *wide = jobs_submit_stream(6);
    struct held_job *unary = jobs_submit("", 2);

    jobs_check_waits(wide);
    jobs_check_runs(unary);
    jobs_end(stream);
    jobs_check_runs(wide);
    jobs_end(wide);
    jobs_end(unary);
}
END_TEST

START_TEST(a_stream_waits_for_threads_that_others_have)
{
    struct held_job *wide = jobs_submit("", 6), *stream = jobs_submit_stream(1);

    jobs_check_runs(wide);
    jobs_check_waits(stream);
    jobs_end(wide);
    jobs_check_runs(stream);
    jobs_end(stream);
}
END_TEST

START_TEST(the_share_is_rounded_down_but_at_least_one_thread)
{
    struct held_job *two, *third;

    jobs_tear_down();
    jobs_set_up(5, 3);
    check_share_is_free();
    jobs_tear_down();
    jobs_set_up(1, 3);
    two = jobs_submit_stream(2);
    third = jobs_submit_stream(1);
    jobs_check_runs(two);
    jobs_check_waits(third);
    jobs_end(two);
    jobs_end(third);
}
END_TEST

START_TEST(streams_take_at_most_half_of_the_queue)
{
    struct held_job *stream = jobs_submit_stream(2), *waiting[3], *passing, *others[3];
    struct wire_error error;

    for (size_t i = 0; i < 3; i++)
        waiting[i] = jobs_submit_stream(2);
    error = jobs_check_refused(jobs_make_stream(1), WIRE_RESOURCE_EXHAUSTED);
    ck_assert_uint_gt(error.retry_after_ms, 0);
    ck_assert_ptr_nonnull(strstr(error.message, "their places in the queue (half of it, 3)"));
    passing = jobs_submit("", 2);
    jobs_check_runs(passing);
    for (size_t i = 0; i < 3; i++)
        others[i] = jobs_submit("", 2);
    jobs_check_waits(others[0]);
    (void)jobs_check_refused(jobs_make("", 1), WIRE_RESOURCE_EXHAUSTED);
    jobs_end(stream);
    for (size_t i = 0; i < 3; i++)
        jobs_end(waiting[i]);
    jobs_end(passing);
    for (size_t i = 0; i < 3; i++)
        jobs_end(others[i]);
}
END_TEST

START_TEST(a_cancelled_stream_gives_its_place_and_its_share_back)
{
    struct held_job *stream = jobs_submit_stream(2), *waiting = jobs_submit_stream(2);
    struct held_job *next = jobs_submit_stream(2);

    admission_cancel(&waiting->job, WIRE_CANCELLED);
    jobs_check_finished(waiting, WIRE_CANCELLED);
    jobs_check_waits(next);
    admission_cancel(&stream->job, WIRE_CANCELLED);
    jobs_let_go(stream);
    jobs_check_finished(stream, WIRE_CANCELLED);
    wait_for(&stream->left);
    jobs_check_runs(next);
    jobs_end(next);
    check_share_is_free();
}
END_TEST

START_TEST(a_stream_that_cannot_be_started_gives_its_share_back)
{
    struct held_job *failed;

    jobs_fail_starts(1);
    failed = jobs_submit_stream(2);
    jobs_check_finished(failed, WIRE_RESOURCE_EXHAUSTED);
    check_share_is_free();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("admission_streams");

    tcase_add_checked_fixture(tests, set_up, jobs_tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, streams_have_at_most_half_of_the_threads);
    tcase_add_test(tests, a_stream_that_waits_for_its_share_lets_others_pass);
    tcase_add_test(tests, a_stream_whose_share_is_free_is_not_passed);
    tcase_add_test(tests, a_stream_passes_nobody);
    tcase_add_test(tests, streams_keep_their_order_among_themselves);
    tcase_add_test(tests, of_two_that_wait_the_stream_goes_first_when_it_came_first);
    tcase_add_loop_test(tests, a_job_wider_than_streams_leave_runs_beside_them_once_no_other_runs, 4, 7);
    tcase_add_loop_test(tests, a_stream_wider_than_the_share_counts_as_the_share, 3, 7);
    tcase_add_test(tests, a_stream_wider_than_the_share_waits_until_no_other_stream_runs);
    tcase_add_test(tests, a_stream_waits_for_threads_that_others_have);
    tcase_add_test(tests, the_share_is_rounded_down_but_at_least_one_thread);
    tcase_add_test(tests, streams_take_at_most_half_of_the_queue);
    tcase_add_test(tests, a_cancelled_stream_gives_its_place_and_its_share_back);
    tcase_add_test(tests, a_stream_that_cannot_be_started_gives_its_share_back);
    return suite_run("admission_streams", tests);
}
