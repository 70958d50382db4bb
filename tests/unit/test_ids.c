#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tilery/client.h"

#include "suite.h"

#define IDS 1000u
#define THREADS 3u
#define LENGTH 32u

typedef char id[LENGTH + 1];

static void *draw(void *ids)
{
    for (size_t i = 0; i < IDS; i++)
        tilery_random_id(((id *)ids)[i]);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void check(id *ids, size_t count)
{
    qsort(ids, count, sizeof *ids, compare);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(strlen(ids[i]), LENGTH);
        ck_assert_uint_eq(strspn(ids[i], "0123456789abcdef"), LENGTH);
        ck_assert(i == 0 || strcmp(ids[i - 1], ids[i]) != 0);
    }
}

START_TEST(none_is_drawn_twice_by_any_thread)
{
    static id ids[THREADS * IDS];
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, draw, ids[i * IDS]), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check(ids, THREADS * IDS);
}
END_TEST

START_TEST(none_is_drawn_by_a_process_and_its_child)
{
    static id ids[2][IDS];
    int ends[2], status;
    pid_t child;

    tilery_random_id(ids[0][0]); /* those that follow have been drawn from the kernel */
    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        draw(ids[0]);
        _exit(write(ends[1], ids[0], sizeof ids[0]) == (ssize_t)sizeof ids[0] ? 0 : 1);
    }
    draw(ids[0]);
    ck_assert_int_eq(read(ends[0], ids[1], sizeof ids[1]), (ssize_t)sizeof ids[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(ends[0]);
    close(ends[1]);
    check(ids[0], 2 * IDS);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ids");

    tcase_add_test(tests, none_is_drawn_twice_by_any_thread);
    tcase_add_test(tests, none_is_drawn_by_a_process_and_its_child);
    return suite_run("ids", tests);
}
