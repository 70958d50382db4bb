/* Clients of the bridge that leave, by a clock that goes on when the test says so. */
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "peers.h"
#include "suite.h"

#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 1000
#define PAUSES 9
#define MOST_TOLD 32

#define ROUSE_MS 100

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

struct client {
    int ends[2]; /* the bridge's, and its own */
    struct peer *peer;
};

static atomic_uint_fast64_t now_ms;
static struct watch *watch;
static struct client first, second;
static sem_t told;
static const char *told_ids[MOST_TOLD]; /* in their order */
static unsigned tells, checked;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    uint64_t ms = atomic_load(&now_ms);

    (void)clock;
    *now = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
    return 0;
}

/* Whose reader was roused last: for one at a time. */
static atomic_int roused_fd;
static sem_t roused;

int __wrap_shutdown(int fd, int how)
{
    if (how == SHUT_RD) {
        atomic_store(&roused_fd, fd);
        (void)sem_post(&roused);
    }
    return __real_shutdown(fd, how);
}

/* Only when the watch has read the clock for when the next time is, which it does under the same lock. */
static void pass(uint64_t ms)
{
    pthread_mutex_lock(&watch->mutex);
    atomic_fetch_add(&now_ms, ms);
    pthread_mutex_unlock(&watch->mutex);
}

static void check_roused(const struct client *client)
{
    pass(ROUSE_MS);
    while (sem_wait(&roused) != 0)
        continue;
    ck_assert_int_eq(atomic_load(&roused_fd), client->ends[0]);
}

static void on_gone(void *arg, const char *call_id)
{
    (void)arg;
    ck_assert_uint_lt(tells, MOST_TOLD);
    told_ids[tells++] = strcmp(call_id, "first") == 0 ? "first" : "second";
    (void)sem_post(&told);
}

static void check_told(const char *call_id)
{
    while (sem_wait(&told) != 0)
        continue;
    ck_assert_str_eq(told_ids[checked++], call_id);
    watch_told(watch);
}

static void enter(struct client *client)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client->ends), 0);
    client->peer = watch_enter(watch, client->ends[0]);
    ck_assert_ptr_nonnull(client->peer);
    peer_received(watch, client->peer);
}

static void leave(const struct client *client)
{
    ck_assert_int_eq(shutdown(client->ends[1], SHUT_WR), 0);
}

static bool has_left(const struct client *client)
{
    bool left;

    pthread_mutex_lock(&watch->mutex);
    left = client->peer->left;
    pthread_mutex_unlock(&watch->mutex);
    return left;
}

static void start(void)
{
    const struct watch_options options = {.request_timeout_ms = 30000, .max_peers = 2, .on_gone = on_gone};

    atomic_store(&now_ms, 1000);
    tells = checked = 0;
    ck_assert_int_eq(sem_init(&told, 0, 0), 0);
    ck_assert_int_eq(sem_init(&roused, 0, 0), 0);
    ck_assert_int_eq(watch_create(&options, &watch), TILERY_OK);
    enter(&first);
    enter(&second);
}

static void close_client(const struct client *client)
{
    watch_leave(watch, client->peer);
    (void)close(client->ends[0]);
    (void)close(client->ends[1]);
}

static void end(void)
{
    close_client(&first);
    close_client(&second);
    watch_free(watch);
    (void)sem_destroy(&told);
    (void)sem_destroy(&roused);
}

static void leave_seen(const struct client *client)
{
    leave(client);
    while (!has_left(client))
        (void)sched_yield();
}

START_TEST(while_it_reads_from_who_has_left_a_reader_is_roused_every_100_ms)
{
    peer_answered(watch, first.peer);
    leave_seen(&first);
    check_roused(&first);
    check_roused(&first);
    peer_received(watch, first.peer);
    peer_answered(watch, second.peer);
    leave_seen(&second);
    check_roused(&second); /* and nobody else */
    peer_received(watch, second.peer);
    peer_answered(watch, first.peer);
    check_roused(&first);
}
END_TEST

START_TEST(who_leaves_is_told_of_before_any_time_has_gone_by)
{
    peer_calls(watch, first.peer, "first");
    leave(&first);
    check_told("first");
}
END_TEST

START_TEST(who_had_left_when_its_run_began_is_told_of_before_any_time_has_gone_by)
{
    leave_seen(&first);
    peer_calls(watch, first.peer, "first");
    check_told("first");
}
END_TEST

START_TEST(who_leaves_is_told_of_again_after_10_ms_and_so_on_up_to_a_second)
{
    uint64_t pause_ms = FIRST_PAUSE_MS;

    peer_calls(watch, first.peer, "first");
    leave(&first);
    check_told("first");
    for (int i = 0; i < PAUSES; i++) {
        pass(pause_ms);
        check_told("first");
        pause_ms = 2 * pause_ms < LONGEST_PAUSE_MS ? 2 * pause_ms : LONGEST_PAUSE_MS;
    }
}
END_TEST

/* Were the first one due, it would be told of before the second. */
START_TEST(nobody_is_told_of_again_before_its_time)
{
    peer_calls(watch, first.peer, "first");
    peer_calls(watch, second.peer, "second");
    leave(&first);
    check_told("first");
    pass(FIRST_PAUSE_MS - 1);
    leave(&second);
    check_told("second");
    pass(1);
    check_told("first");
}
END_TEST

START_TEST(nobody_is_told_of_again_whose_run_has_ended)
{
    peer_calls(watch, first.peer, "first");
    peer_calls(watch, second.peer, "second");
    leave(&first);
    check_told("first");
    peer_called(watch, first.peer);
    pass(FIRST_PAUSE_MS);
    leave(&second);
    check_told("second");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("watch");

    tcase_add_checked_fixture(tests, start, end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, while_it_reads_from_who_has_left_a_reader_is_roused_every_100_ms);
    tcase_add_test(tests, who_leaves_is_told_of_before_any_time_has_gone_by);
    tcase_add_test(tests, who_had_left_when_its_run_began_is_told_of_before_any_time_has_gone_by);
    tcase_add_test(tests, who_leaves_is_told_of_again_after_10_ms_and_so_on_up_to_a_second);
    tcase_add_test(tests, nobody_is_told_of_again_before_its_time);
    tcase_add_test(tests, nobody_is_told_of_again_whose_run_has_ended);
    return suite_run("watch", tests);
}
