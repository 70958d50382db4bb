#include "service/admission.h"

#include <string.h>

#include "jobs.h"
#include "suite.h"

/* Four threads, and three jobs may wait. */
static void set_up(void)
{
    jobs_set_up(4, 3);
}

/* Fails unless all four threads are free, and no more than four. */
static void check_four_are_free(void)
{
    struct held_job *one[4], *fifth;

    for (size_t i = 0; i < 4; i++)
        one[i] = jobs_submit("", 1);
    fifth = jobs_submit("", 1);
    for (size_t i = 0; i < 4; i++)
        jobs_check_runs(one[i]);
    jobs_check_waits(fifth);
    for (size_t i = 0; i < 4; i++)
        jobs_end(one[i]);
    jobs_end(fifth);
}

/* ---- First come, first served ---- */

START_TEST(jobs_run_side_by_side_up_to_the_last_thread)
{
    struct held_job *two = jobs_submit("", 2), *one = jobs_submit("", 1), *other = jobs_submit("", 1);
    struct held_job *late = jobs_submit("", 1);

    jobs_check_runs(two);
    jobs_check_runs(one);
    jobs_check_runs(other);
    jobs_check_waits(late);
    jobs_end(one);
    jobs_check_runs(late);
    jobs_end(late);
    jobs_end(other);
    jobs_end(two);
    check_four_are_free();
}
END_TEST

START_TEST(a_wide_job_that_waits_is_not_overtaken_by_narrower_ones)
{
    struct held_job *first = jobs_submit("", 3), *wide = jobs_submit("", 2), *narrow = jobs_submit("", 1);

    jobs_check_runs(first);
    jobs_check_waits(wide);
    jobs_check_waits(narrow);
    jobs_end(first);
    jobs_check_runs(wide);
    jobs_check_runs(narrow);
    jobs_end(narrow);
    jobs_end(wide);
}
END_TEST

START_TEST(a_job_that_comes_when_threads_are_free_waits_behind_those_that_wait)
{
    struct held_job *two = jobs_submit("", 2), *one = jobs_submit("", 1), *wide = jobs_submit("", 4);
    struct held_job *narrow;

    jobs_end(one);
    narrow = jobs_submit("", 1);
    jobs_check_runs(two);
    jobs_check_waits(wide);
    jobs_check_waits(narrow);
    jobs_end(two);
    jobs_check_runs(wide);
    jobs_check_waits(narrow);
    jobs_end(wide);
    jobs_end(narrow);
}
END_TEST

START_TEST(one_end_starts_as_many_as_have_room_in_their_order)
{
    struct held_job *all = jobs_submit("", 4), *one = jobs_submit("", 1), *two = jobs_submit("", 2);
    struct held_job *last = jobs_submit("", 2);

    jobs_end(all);
    jobs_check_runs(one);
    jobs_check_runs(two);
    jobs_check_waits(last);
    jobs_end(one);
    jobs_check_runs(last);
    jobs_end(last);
    jobs_end(two);
    check_four_are_free();
}
END_TEST

START_TEST(threads_are_given_back_to_the_last_one_again_and_again)
{
    for (uint32_t threads = 1; threads <= 4; threads++)
        jobs_end(jobs_submit("", threads));
    check_four_are_free();
    check_four_are_free();
}
END_TEST

START_TEST(a_job_wider_than_all_threads_runs_alone)
{
    struct held_job *narrow = jobs_submit("", 1), *wide = jobs_submit("", 6), *behind = jobs_submit("", 1);

    jobs_check_runs(narrow);
    jobs_check_waits(wide);
    jobs_check_waits(behind);
    jobs_end(narrow);
    jobs_check_runs(wide);
    jobs_check_waits(behind);
    jobs_end(wide);
    jobs_end(behind);
    check_four_are_free();
}
END_TEST

START_TEST(two_jobs_wider_than_all_threads_run_one_after_the_other)
{
    struct held_job *first = jobs_submit("", 5), *second = jobs_submit("", 8);

    jobs_check_runs(first);
    jobs_check_waits(second);
    jobs_end(first);
    jobs_end(second);
}
END_TEST

START_TEST(a_job_of_no_task_ends_in_its_submission_or_when_its_turn_comes)
{
    struct held_job *at_once = jobs_submit("", 0), *all, *behind, *queued;

    jobs_check_finished(at_once, WIRE_OK);
    all = jobs_submit("", 4);
    behind = jobs_submit("", 3);
    queued = jobs_submit("", 0);
    jobs_check_waits(queued);
    jobs_end(all);
    jobs_check_finished(queued, WIRE_OK);
    jobs_check_runs(behind);
    jobs_end(behind);
    check_four_are_free();
}
END_TEST

START_TEST(the_times_of_a_job_s_submission_and_start_are_noted)
{
    struct held_job *first = jobs_submit("", 4), *second = jobs_submit("", 4);

    ck_assert_uint_gt(first->job.submitted_ns, 0);
    ck_assert_uint_le(first->job.submitted_ns, first->job.started_ns);
    ck_assert_uint_le(first->job.submitted_ns, second->job.submitted_ns);
    ck_assert_uint_eq(second->job.started_ns, 0);
    jobs_end(first);
    ck_assert_uint_le(second->job.submitted_ns, second->job.started_ns);
    jobs_end(second);
}
END_TEST

/* ---- Refusals ---- */

START_TEST(a_full_queue_refuses_a_job_and_says_when_to_try_again)
{
    struct held_job *all = jobs_submit("", 4), *queued[3], *refused = jobs_make("late", 1);
    struct wire_error error;

    for (size_t i = 0; i < 3; i++)
        queued[i] = jobs_submit("", 1);
    error = jobs_check_refused(refused, WIRE_RESOURCE_EXHAUSTED);
    ck_assert_uint_gt(error.retry_after_ms, 0);
    ck_assert_ptr_nonnull(strstr(error.message, "the queue is full (--max-queue is 3)"));
    jobs_end(all);
    for (size_t i = 0; i < 3; i++)
        jobs_check_runs(queued[i]);
    jobs_end(jobs_submit("late", 1)); /* the fourth thread is free, and so is the name */
    for (size_t i = 0; i < 3; i++)
        jobs_end(queued[i]);
    check_four_are_free();
}
END_TEST

START_TEST(without_a_queue_a_job_that_could_not_run_at_once_is_refused)
{
    struct held_job *some, *others;

    jobs_tear_down();
    jobs_set_up(4, 0);
    some = jobs_submit("", 3);
    (void)jobs_check_refused(jobs_make("", 2), WIRE_RESOURCE_EXHAUSTED);
    others = jobs_submit("", 1);
    jobs_check_runs(some);
    jobs_check_runs(others);
    (void)jobs_check_refused(jobs_make("", 1), WIRE_RESOURCE_EXHAUSTED);
    jobs_end(some);
    jobs_end(jobs_submit("", 3));
    jobs_end(others);
    jobs_end(jobs_submit("", 8));
}
END_TEST

START_TEST(a_name_in_use_is_refused_and_the_job_that_has_it_goes_on)
{
    struct held_job *running = jobs_submit("running", 4), *waiting = jobs_submit("waiting", 1);
    struct wire_error error = jobs_check_refused(jobs_make("running", 1), WIRE_ALREADY_EXISTS);

    ck_assert_ptr_nonnull(strstr(error.message, "\"running\""));
    ck_assert_uint_eq(error.retry_after_ms, 0);
    (void)jobs_check_refused(jobs_make("waiting", 1), WIRE_ALREADY_EXISTS);
    (void)jobs_check_refused(jobs_make("waiting", 1), WIRE_ALREADY_EXISTS);
    jobs_check_runs(running);
    jobs_check_waits(waiting);
    jobs_end(running);
    jobs_end(waiting);
    jobs_end(jobs_submit("running", 1));
    jobs_end(jobs_submit("waiting", 1));
}
END_TEST

START_TEST(a_name_is_in_use_only_as_a_whole)
{
    struct held_job *ab = jobs_submit("ab", 1), *a = jobs_submit("a", 1), *abc = jobs_submit("abc", 1);
    struct held_job *upper = jobs_submit("AB", 1);

    jobs_end(ab);
    jobs_end(a);
    jobs_end(abc);
    jobs_end(upper);
}
END_TEST

START_TEST(any_number_of_jobs_may_have_no_name)
{
    check_four_are_free();
}
END_TEST

START_TEST(draining_refuses_new_jobs_and_lets_the_others_come_to_their_end)
{
    struct held_job *running = jobs_submit("", 4), *waiting = jobs_submit("", 4);

    ck_assert(!admission_draining(admission));
    admission_drain(admission);
    ck_assert(admission_draining(admission));
    (void)jobs_check_refused(jobs_make("", 1), WIRE_UNAVAILABLE);
    jobs_check_waits(waiting);
    jobs_end(running);
    jobs_check_runs(waiting);
    (void)jobs_check_refused(jobs_make("", 1), WIRE_UNAVAILABLE);
    jobs_end(waiting);
    (void)jobs_check_refused(jobs_make("", 1), WIRE_UNAVAILABLE);
}
END_TEST

/* ---- Runs that cannot be started ---- */

START_TEST(a_run_that_cannot_be_started_ends_its_job_and_holds_nothing)
{
    struct held_job *failed;

    jobs_fail_starts(1);
    failed = jobs_submit("name", 3);
    jobs_check_finished(failed, WIRE_RESOURCE_EXHAUSTED);
    ck_assert_uint_gt(failed->why.retry_after_ms, 0);
    ck_assert(admission_wait_idle(admission, 0));
    jobs_end(jobs_submit("name", 1));
    check_four_are_free();
}
END_TEST

START_TEST(those_behind_a_run_that_cannot_be_started_go_on)
{
    struct held_job *all = jobs_submit("", 4), *failed[2], *last;

    failed[0] = jobs_submit("", 4);
    failed[1] = jobs_submit("", 2);
    last = jobs_submit("", 4);
    jobs_fail_starts(2);
    jobs_end(all);
    jobs_check_finished(failed[0], WIRE_RESOURCE_EXHAUSTED);
    jobs_check_finished(failed[1], WIRE_RESOURCE_EXHAUSTED);
    jobs_check_runs(last);
    jobs_end(last);
}
END_TEST

/* ---- Callbacks ---- */

static struct held_job *follower;

/* Hangs if admission's mutex is held. */
static void use_admission(struct held_job *held)
{
    ck_assert(!admission_draining(admission));
    ck_assert(!admission_cancel_id(admission, held->job.request_id)); /* it is done */
    follower = jobs_submit(held->job.request_id, 4);
}

START_TEST(finish_may_call_admission_and_take_the_name_again)
{
    struct held_job *first = jobs_make("name", 4);

    first->on_finish = use_admission;
    jobs_accept(first);
    jobs_end(first);
    jobs_check_runs(follower);
    jobs_end(follower);
}
END_TEST

START_TEST(null_is_freed)
{
    admission_free(NULL);
}
END_TEST

static void add_refusals(TCase *tests)
{
    tcase_add_test(tests, a_full_queue_refuses_a_job_and_says_when_to_try_again);
    tcase_add_test(tests, without_a_queue_a_job_that_could_not_run_at_once_is_refused);
    tcase_add_test(tests, a_name_in_use_is_refused_and_the_job_that_has_it_goes_on);
    tcase_add_test(tests, a_name_is_in_use_only_as_a_whole);
    tcase_add_test(tests, any_number_of_jobs_may_have_no_name);
    tcase_add_test(tests, draining_refuses_new_jobs_and_lets_the_others_come_to_their_end);
    tcase_add_test(tests, a_run_that_cannot_be_started_ends_its_job_and_holds_nothing);
    tcase_add_test(tests, those_behind_a_run_that_cannot_be_started_go_on);
}

int main(void)
{
    TCase *tests = tcase_create("admission");

    tcase_add_checked_fixture(tests, set_up, jobs_tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, jobs_run_side_by_side_up_to_the_last_thread);
    tcase_add_test(tests, a_wide_job_that_waits_is_not_overtaken_by_narrower_ones);
    tcase_add_test(tests, a_job_that_comes_when_threads_are_free_waits_behind_those_that_wait);
    tcase_add_test(tests, one_end_starts_as_many_as_have_room_in_their_order);
    tcase_add_test(tests, threads_are_given_back_to_the_last_one_again_and_again);
    tcase_add_test(tests, a_job_wider_than_all_threads_runs_alone);
    tcase_add_test(tests, two_jobs_wider_than_all_threads_run_one_after_the_other);
    tcase_add_test(tests, a_job_of_no_task_ends_in_its_submission_or_when_its_turn_comes);
    tcase_add_test(tests, the_times_of_a_job_s_submission_and_start_are_noted);
    add_refusals(tests);
    tcase_add_test(tests, finish_may_call_admission_and_take_the_name_again);
    tcase_add_test(tests, null_is_freed);
    return suite_run("admission", tests);
}
