/* A server's signals while it starts. Each test is in a process of its own, where none other has a thread. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"
#include "wire/signals.h"

static struct signals_start start;
static sigset_t signals;

static void begin(void)
{
    signals_to_end(&signals);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
    signals_start_begin(&start);
    ck_assert(start.watched);
}

static int exit_status(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const int ending[] = {SIGTERM, SIGINT};

START_TEST(a_signal_ends_a_process_that_is_stuck_in_its_start)
{
    pid_t child = fork();

    if (child == 0) {
        begin();
        kill(getpid(), ending[_i]);
        for (;;)
            pause();
    }
    ck_assert_int_eq(exit_status(child), 128 + ending[_i]);
}
END_TEST

START_TEST(a_signal_that_comes_after_it_is_the_server_s)
{
    int got;

    for (int round = 0; round < 100; round++) {
        begin();
        signals_start_end(&start);
        kill(getpid(), ending[_i]);
        ck_assert_int_eq(sigwait(&signals, &got), 0);
        ck_assert_int_eq(got, ending[_i]);
    }
}
END_TEST

START_TEST(ending_it_twice_is_fine)
{
    begin();
    signals_start_end(&start);
    signals_start_end(&start);
    ck_assert(!start.watched);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("starting");

    tcase_add_loop_test(tests, a_signal_ends_a_process_that_is_stuck_in_its_start, 0, 2);
    tcase_add_loop_test(tests, a_signal_that_comes_after_it_is_the_server_s, 0, 2);
    tcase_add_test(tests, ending_it_twice_is_fine);
    return suite_run("starting", tests);
}
