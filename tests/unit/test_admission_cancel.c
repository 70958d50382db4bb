/* How jobs end early, one by one and all together, and how their ends are waited for. */
#include <pthread.h>

#include "jobs.h"
#include "service/admission.h"
#include "suite.h"

static const enum wire_status reasons[] = {WIRE_CANCELLED, WIRE_DEADLINE_EXCEEDED, WIRE_UNAVAILABLE};
#define REASONS ((int)(sizeof reasons / sizeof *reasons))

/* Four threads, and three jobs may wait. */
static void set_up(void)
{
    jobs_set_up(4, 3);
}

/* ---- One job ---- */

START_TEST(a_cancelled_job_that_waits_is_finished_at_once_and_never_run)
{
    struct held_job *running = jobs_submit("", 4), *waiting = jobs_submit("", 1);

    admission_cancel(&waiting->job, reasons[_i]);
    jobs_check_finished(waiting, reasons[_i]);
    ck_assert_int_eq(waiting->job.state, JOB_DONE);
    ck_assert_uint_eq(waiting->job.started_ns, 0);
    jobs_end(running);
    ck_assert_int_eq(waiting->job.state, JOB_DONE);
    jobs_end(jobs_submit("", 4));
}
END_TEST

START_TEST(a_cancelled_job_that_runs_is_finished_when_its_threads_have_stopped)
{
    struct held_job *running = jobs_submit("name", 3), *waiting = jobs_submit("", 4);

    jobs_check_runs(running);
    admission_cancel(&running->job, reasons[_i]);
    ck_assert(run_is_cancelled(running->job.run));
    jobs_check_runs(running);
    jobs_check_waits(waiting);
    (void)jobs_check_refused(jobs_make("name", 1), WIRE_ALREADY_EXISTS);
    jobs_let_go(running);
    jobs_check_finished(running, reasons[_i]);
    wait_for(&running->left);
    jobs_check_runs(waiting);
    jobs_end(waiting);
}
END_TEST

START_TEST(a_job_cancelled_before_its_submission_is_refused)
{
    struct held_job *job = jobs_make("name", 4);

    admission_cancel(&job->job, reasons[_i]);
    (void)jobs_check_refused(job, reasons[_i]);
    jobs_end(jobs_submit("name", 4));
}
END_TEST

START_TEST(a_job_that_is_done_is_left_alone)
{
    struct held_job *ended = jobs_submit("", 1), *running = jobs_submit("", 4), *cancelled, *refused;

    jobs_end(ended);
    admission_cancel(&ended->job, WIRE_CANCELLED);
    ck_assert(!run_is_cancelled(ended->job.run));
    cancelled = jobs_submit("", 1);
    admission_cancel(&cancelled->job, WIRE_CANCELLED);
    admission_cancel(&cancelled->job, WIRE_CANCELLED);
    jobs_check_finished(cancelled, WIRE_CANCELLED);
    admission_drain(admission);
    refused = jobs_make("", 1);
    (void)jobs_check_refused(refused, WIRE_UNAVAILABLE);
    admission_cancel(&refused->job, WIRE_CANCELLED);
    jobs_end(running);
}
END_TEST

START_TEST(the_first_reason_counts)
{
    struct held_job *running = jobs_submit("", 4), *early = jobs_make("", 1);

    admission_cancel(&running->job, WIRE_DEADLINE_EXCEEDED);
    admission_cancel(&running->job, WIRE_CANCELLED);
    admission_cancel_all(admission);
    jobs_let_go(running);
    jobs_check_finished(running, WIRE_DEADLINE_EXCEEDED);
    admission_cancel(&early->job, WIRE_DEADLINE_EXCEEDED);
    admission_cancel(&early->job, WIRE_CANCELLED);
    (void)jobs_check_refused(early, WIRE_DEADLINE_EXCEEDED);
}
END_TEST

static void cancel_now(struct held_job *held)
{
    admission_cancel(&held->job, WIRE_CANCELLED);
}

START_TEST(a_cancel_after_the_last_tile_leaves_the_end_as_it_is)
{
    struct held_job *job = jobs_make("", 4);

    job->on_run_end = cancel_now;
    jobs_accept(job);
    jobs_end(job);
}
END_TEST

START_TEST(a_wide_job_cancelled_at_the_head_lets_those_behind_it_start)
{
    struct held_job *running = jobs_submit("", 2), *wide = jobs_submit("wide", 3);
    struct held_job *behind = jobs_submit("", 1), *last = jobs_submit("", 2);

    jobs_check_waits(behind);
    if (_i == 0)
        admission_cancel(&wide->job, WIRE_CANCELLED);
    else
        ck_assert(admission_cancel_id(admission, "wide"));
    jobs_check_finished(wide, WIRE_CANCELLED);
    jobs_check_runs(behind);
    jobs_check_waits(last);
    jobs_end(running);
    jobs_check_runs(last);
    jobs_end(behind);
    jobs_end(last);
}
END_TEST

/* The queue's first, middle or last is cancelled. */
START_TEST(the_others_keep_their_order_when_one_of_them_is_cancelled)
{
    struct held_job *running = jobs_submit("", 4), *queued[4];

    for (int i = 0; i < 3; i++)
        queued[i] = jobs_submit("", 3);
    admission_cancel(&queued[_i]->job, WIRE_CANCELLED);
    jobs_check_finished(queued[_i], WIRE_CANCELLED);
    queued[3] = jobs_submit("", 3); /* its place in the bounded queue is free */
    (void)jobs_check_refused(jobs_make("", 1), WIRE_RESOURCE_EXHAUSTED);
    jobs_end(running);
    for (int i = 0; i < 4; i++) {
        if (i == _i)
            continue;
        jobs_check_runs(queued[i]);
        for (int later = i + 1; later < 4; later++)
            if (later != _i)
                jobs_check_waits(queued[later]);
        jobs_end(queued[i]);
    }
}
END_TEST

START_TEST(a_job_is_cancelled_by_its_name_while_it_waits_or_runs)
{
    struct held_job *running = jobs_submit("running", 4), *waiting = jobs_submit("waiting", 1);
    struct held_job *other = jobs_submit("other", 1);

    ck_assert(admission_cancel_id(admission, "waiting"));
    jobs_check_finished(waiting, WIRE_CANCELLED);
    ck_assert(admission_cancel_id(admission, "running"));
    jobs_check_runs(running);
    ck_assert(admission_cancel_id(admission, "running")); /* it still runs */
    jobs_let_go(running);
    jobs_check_finished(running, WIRE_CANCELLED);
    wait_for(&running->left);
    jobs_end(other);
}
END_TEST

START_TEST(a_name_that_no_job_has_any_more_or_yet_is_not_found)
{
    struct held_job *job = jobs_submit("done", 4), *waiting = jobs_submit("waiting", 1);

    ck_assert(!admission_cancel_id(admission, "don"));
    ck_assert(!admission_cancel_id(admission, "done "));
    (void)jobs_make("new", 1);
    ck_assert(!admission_cancel_id(admission, "new"));
    jobs_end(job);
    ck_assert(!admission_cancel_id(admission, "done"));
    ck_assert(admission_cancel_id(admission, "waiting"));
    jobs_let_go(waiting);
    jobs_check_finished(waiting, WIRE_CANCELLED);
    ck_assert(!admission_cancel_id(admission, "waiting"));
}
END_TEST

START_TEST(a_job_without_a_name_is_not_found_by_the_empty_one)
{
    struct held_job *running = jobs_submit("", 4), *waiting = jobs_submit("", 4);
    bool found = admission_cancel_id(admission, "");

    jobs_end(running);
    ck_assert(!found);
    jobs_end(waiting);
}
END_TEST

/* ---- All jobs ---- */

START_TEST(all_jobs_are_cancelled_each_once_and_new_ones_are_welcome)
{
    struct held_job *running[2] = {jobs_submit("", 2), jobs_submit("", 1)}, *queued[3];

    for (size_t i = 0; i < 3; i++)
        queued[i] = jobs_submit("", 4);
    admission_cancel(&running[1]->job, WIRE_DEADLINE_EXCEEDED);
    admission_cancel_all(admission);
    for (size_t i = 0; i < 3; i++)
        jobs_check_finished(queued[i], WIRE_UNAVAILABLE);
    for (size_t i = 0; i < 2; i++) {
        jobs_check_runs(running[i]);
        ck_assert(run_is_cancelled(running[i]->job.run));
        jobs_let_go(running[i]);
        jobs_check_finished(running[i], i == 0 ? WIRE_UNAVAILABLE : WIRE_DEADLINE_EXCEEDED);
        wait_for(&running[i]->left);
    }
    admission_cancel_all(admission);
    jobs_end(jobs_submit("", 4));
}
END_TEST

static struct held_job *blocker;

static void end_the_blocker(struct held_job *held)
{
    (void)held;
    jobs_let_go(blocker);
    wait_for(&blocker->left);
}

START_TEST(cancelling_all_misses_no_job_that_starts_meanwhile)
{
    struct held_job *first, *second;

    blocker = jobs_submit("", 4);
    first = jobs_make("", 1);
    first->on_finish = end_the_blocker;
    jobs_accept(first);
    second = jobs_submit("", 1);
    admission_cancel_all(admission);
    jobs_let_go(second);
    jobs_check_finished(first, WIRE_UNAVAILABLE);
    jobs_check_finished(second, WIRE_UNAVAILABLE);
}
END_TEST

/* ---- Waiting ---- */

START_TEST(admission_is_idle_when_no_job_waits_or_runs)
{
    struct held_job *running, *waiting;

    ck_assert(admission_wait_idle(admission, 0));
    running = jobs_submit("", 4);
    waiting = jobs_submit("", 4);
    ck_assert(!admission_wait_idle(admission, 0));
    ck_assert(!admission_wait_idle(admission, 1));
    jobs_end(running);
    ck_assert(!admission_wait_idle(admission, 0));
    jobs_end(waiting);
    ck_assert(admission_wait_idle(admission, 0));
}
END_TEST

struct waiter {
    pthread_t thread;
    uint64_t timeout_ms;
    bool idle;
};

static void *wait_idle(void *arg)
{
    struct waiter *waiter = arg;

    waiter->idle = admission_wait_idle(admission, waiter->timeout_ms);
    return NULL;
}

/* Two wait while the job has yet to end. */
static void check_waiters(uint64_t timeout_ms)
{
    struct waiter waiters[2];
    struct held_job *job = jobs_submit("", 4);

    for (size_t i = 0; i < 2; i++) {
        waiters[i].timeout_ms = timeout_ms;
        ck_assert_int_eq(pthread_create(&waiters[i].thread, NULL, wait_idle, &waiters[i]), 0);
        jobs_await_waiter();
    }
    jobs_end(job);
    for (size_t i = 0; i < 2; i++)
        pthread_join(waiters[i].thread, NULL);
    ck_assert(waiters[0].idle);
    ck_assert(waiters[1].idle);
}

START_TEST(all_who_wait_are_told_of_the_last_end)
{
    check_waiters(30000);
}
END_TEST

START_TEST(the_longest_time_is_not_taken_for_a_short_one)
{
    check_waiters(UINT64_MAX);
}
END_TEST

static void add_single(TCase *tests)
{
    tcase_add_loop_test(tests, a_cancelled_job_that_waits_is_finished_at_once_and_never_run, 0, REASONS);
    tcase_add_loop_test(tests, a_cancelled_job_that_runs_is_finished_when_its_threads_have_stopped, 0,
                        REASONS);
    tcase_add_loop_test(tests, a_job_cancelled_before_its_submission_is_refused, 0, REASONS);
    tcase_add_test(tests, a_job_that_is_done_is_left_alone);
    tcase_add_test(tests, the_first_reason_counts);
    tcase_add_test(tests, a_cancel_after_the_last_tile_leaves_the_end_as_it_is);
    tcase_add_loop_test(tests, a_wide_job_cancelled_at_the_head_lets_those_behind_it_start, 0, 2);
    tcase_add_loop_test(tests, the_others_keep_their_order_when_one_of_them_is_cancelled, 0, 3);
    tcase_add_test(tests, a_job_is_cancelled_by_its_name_while_it_waits_or_runs);
    tcase_add_test(tests, a_name_that_no_job_has_any_more_or_yet_is_not_found);
    tcase_add_test(tests, a_job_without_a_name_is_not_found_by_the_empty_one);
}

int main(void)
{
    TCase *tests = tcase_create("admission_cancel");

    tcase_add_checked_fixture(tests, set_up, jobs_tear_down);
    tcase_set_timeout(tests, 60);
    add_single(tests);
    tcase_add_test(tests, all_jobs_are_cancelled_each_once_and_new_ones_are_welcome);
    tcase_add_test(tests, cancelling_all_misses_no_job_that_starts_meanwhile);
    tcase_add_test(tests, admission_is_idle_when_no_job_waits_or_runs);
    tcase_add_test(tests, all_who_wait_are_told_of_the_last_end);
    tcase_add_test(tests, the_longest_time_is_not_taken_for_a_short_one);
    return suite_run("admission_cancel", tests);
}
