/* The log's thread: readers that read, that stand still, and that are gone. */
#include "daemon/log.h"
#include "rpc/server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

/* Some four times what the log's buffers and the pipe hold. */
#define MANY 60000

static int pipe_ends[2];
static struct log *log_under_test;
/* Bytes for which the disk, as which the pipe goes, has room; SIZE_MAX: for all. */
static atomic_size_t room = SIZE_MAX;
static sem_t full; /* posted when there is none */

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    size_t left = atomic_load(&room);

    if (fd != pipe_ends[1] || left == SIZE_MAX)
        return __real_write(fd, bytes, len);
    if (left == 0) {
        sem_post(&full);
        errno = ENOSPC;
        return -1;
    }
    len = len < left ? len : left;
    atomic_store(&room, left - len);
    return __real_write(fd, bytes, len);
}

static void set_up(void)
{
    struct wire_error error;

    ck_assert_int_eq(pipe(pipe_ends), 0);
    ck_assert_int_eq(log_create(pipe_ends[1], false, &log_under_test, &error), WIRE_OK);
}

static void tear_down(void)
{
    log_free(log_under_test);
    log_under_test = NULL;
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void say(unsigned times)
{
    const struct wire_request request = {.method = "tilery.v1.Health/Check", .request_id = "some-id"};
    const struct rpc_ended ended = {.request = &request, .peer = "inproc", .message = ""};

    for (unsigned i = 0; i < times; i++)
        log_call(log_under_test, &ended);
}

/* Ends the log, and its pipe's writing end, so that a reader comes to an end. */
static void end_log(void)
{
    log_free(log_under_test);
    log_under_test = NULL;
    close(pipe_ends[1]);
    pipe_ends[1] = -1;
}

struct read_lines {
    atomic_uint calls, dropped, dropped_lines;
};

/* Fails at a line that is not whole. */
static void read_line(const char *line, struct read_lines *out)
{
    const char *message = strstr(line, "message=\"");

    ck_assert_int_eq(strncmp(line, "ts=20", 5), 0);
    if (message == NULL) {
        ck_assert_ptr_nonnull(strstr(line, "request_id=some-id peer=inproc code=OK"));
        ck_assert_ptr_null(strstr(line + 1, "ts="));
        out->calls++;
    } else {
        unsigned dropped;

        ck_assert_int_eq(sscanf(message, "message=\"%u lines dropped\"", &dropped), 1);
        out->dropped += dropped;
        out->dropped_lines++;
    }
}

static void *read_all(void *arg)
{
    FILE *file = fdopen(dup(pipe_ends[0]), "r");
    char line[512];

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        read_line(line, arg);
    fclose(file);
    return NULL;
}

START_TEST(every_call_is_a_line_for_a_reader_that_reads)
{
    struct read_lines read = {.calls = 0};
    pthread_t reader;

    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, &read), 0);
    say(2000);
    end_log();
    pthread_join(reader, NULL);
    ck_assert_uint_eq(read.calls, 2000);
    ck_assert_uint_eq(read.dropped_lines, 0);
}
END_TEST

START_TEST(a_line_waits_neither_for_others_nor_for_the_end)
{
    FILE *file = fdopen(dup(pipe_ends[0]), "r");
    char line[512];

    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i < 20; i++) {
        say(1);
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    }
    fclose(file);
}
END_TEST

START_TEST(lines_that_a_slow_reader_has_no_room_for_are_counted)
{
    struct read_lines read = {.calls = 0};
    pthread_t reader;

    say(MANY);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, &read), 0);
    while (read.calls + read.dropped != MANY)
        sched_yield();
    end_log();
    pthread_join(reader, NULL);
    ck_assert_uint_gt(read.dropped, 0);
    ck_assert_uint_ge(read.dropped_lines, 1);
}
END_TEST

START_TEST(a_reader_that_stands_still_holds_up_neither_the_callers_nor_the_end)
{
    say(MANY);
    end_log();
}
END_TEST

START_TEST(a_reader_that_is_gone_ends_nothing)
{
    close(pipe_ends[0]);
    pipe_ends[0] = -1;
    say(100);
    log_free(log_under_test);
    log_under_test = NULL;
}
END_TEST

static void *say_some(void *arg)
{
    (void)arg;
    say(500);
    return NULL;
}

/* The line that was being written is torn, but the next one is whole. */
START_TEST(lines_for_which_a_disk_had_no_room_are_counted_when_it_has)
{
    const char *whole = "peer=inproc code=OK";
    unsigned calls = 0, torn = 0, dropped = 0;
    char line[512];
    FILE *file;

    sem_init(&full, 0, 0);
    atomic_store(&room, 200);
    say(10);
    while (sem_wait(&full) != 0)
        continue;
    atomic_store(&room, SIZE_MAX);
    say(1);
    end_log();
    file = fdopen(dup(pipe_ends[0]), "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        ck_assert_ptr_null(strstr(line + 1, "ts="));
        if (strstr(line, "lines dropped") != NULL)
            ck_assert_int_eq(sscanf(strstr(line, "message="), "message=\"%u lines", &dropped), 1);
        else if (strstr(line, whole) != NULL)
            calls++;
        else
            torn++;
    }
    fclose(file);
    ck_assert_uint_gt(dropped, 0);
    ck_assert_uint_eq(torn, 1);
    ck_assert_uint_eq(calls + dropped, 11);
}
END_TEST

START_TEST(lines_of_several_threads_do_not_mix)
{
    struct read_lines read = {.calls = 0};
    pthread_t reader, threads[4];

    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, &read), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, say_some, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    end_log();
    pthread_join(reader, NULL);
    ck_assert_uint_eq(read.calls, 2000);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("log");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_call_is_a_line_for_a_reader_that_reads);
    tcase_add_test(tests, a_line_waits_neither_for_others_nor_for_the_end);
    tcase_add_test(tests, lines_that_a_slow_reader_has_no_room_for_are_counted);
    tcase_add_test(tests, a_reader_that_stands_still_holds_up_neither_the_callers_nor_the_end);
    tcase_add_test(tests, a_reader_that_is_gone_ends_nothing);
    tcase_add_test(tests, lines_for_which_a_disk_had_no_room_are_counted_when_it_has);
    tcase_add_test(tests, lines_of_several_threads_do_not_mix);
    return suite_run("log", tests);
}
