/* The watch's thread, and its life. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers.h"
#include "wire/clock.h"
#include "wire/condition.h"

#define EVENTS 64

/* ---- The thread ---- */

/* The mutex is held. */
static void take_events(struct watch *watch, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        size_t fd = (uint32_t)events[i].data.u64;
        struct peer *peer = fd < watch->fds ? watch->by_fd[fd] : NULL;
        uint64_t rung;

        if ((int)fd == watch->wake) {
            (void)!read(watch->wake, &rung, sizeof rung);
        } else if (peer != NULL && peer->serial == events[i].data.u64 >> 32) {
            peer->left = true;
            if (peer->state == PEER_CALLING)
                watch_be_gone(watch, peer);
            else if (peer->state == PEER_SENDING)
                watch_be_leaving(watch, peer);
        }
    }
}

/* The mutex is held. Those whose time is up end as if they had left. */
static void cut_off(struct watch *watch, const struct peer_list *list, uint64_t now)
{
    struct peer *peer;

    while ((peer = list->first) != NULL && peer->due_ns <= now) {
        (void)shutdown(peer->fd, SHUT_RDWR);
        watch_move(watch, peer, PEER_WAITING);
    }
}

/*
 * The mutex is held. libmicrohttpd is told once that there is something to read, and takes a short read for
 * the whole of it: it does not hear of an end that came together with the last bytes. Shutting down what the
 * client has shut down already has it told again, and changes nothing else: what is unread can still be read.
 */
static void rouse(struct watch *watch, uint64_t now)
{
    struct peer *peer;

    while ((peer = watch->leaving.first) != NULL && peer->due_ns <= now) {
        (void)shutdown(peer->fd, SHUT_RD);
        watch_be_leaving(watch, peer);
    }
}

/* The mutex is held. One that is to be told of, or NULL; its next time is set. */
static struct peer *next_gone(struct watch *watch, uint64_t now)
{
    for (struct peer *peer = watch->gone.first; peer != NULL; peer = peer->next)
        if (peer->due_ns <= now) {
            peer->due_ns = now + peer->pause_ms * NS_PER_MS;
            peer->pause_ms = peer->pause_ms < LAST_PAUSE_MS / 2 ? 2 * peer->pause_ms : LAST_PAUSE_MS;
            return peer;
        }
    return NULL;
}

/* The mutex is held, and let go in between. */
static void tell_gone(struct watch *watch, uint64_t now)
{
    char call_id[WIRE_MAX_REQUEST_ID + 1];
    struct peer *peer;

    while (!watch->stopped && watch->tells < WATCH_TELLS && (peer = next_gone(watch, now)) != NULL) {
        watch->tells++;
        memcpy(call_id, peer->call_id, sizeof call_id);
        pthread_mutex_unlock(&watch->mutex);
        watch->options.on_gone(watch->options.arg, call_id);
        pthread_mutex_lock(&watch->mutex);
    }
}

/* The mutex is held. */
static uint64_t next_due(const struct watch *watch)
{
    const struct peer *firsts[] = {watch->sending.first, watch->surplus.first, watch->leaving.first};
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        if (firsts[i] != NULL && firsts[i]->due_ns < due)
            due = firsts[i]->due_ns;
    for (const struct peer *peer = watch->gone.first; peer != NULL && watch->tells < WATCH_TELLS;
         peer = peer->next)
        if (peer->due_ns < due)
            due = peer->due_ns;
    return due;
}

/* For epoll_wait, rounded up: nothing is due before. */
static int wait_ms(uint64_t due_ns)
{
    uint64_t now = wire_now_ns();

    if (due_ns == UINT64_MAX)
        return -1;
    return due_ns > now ? (int)((due_ns - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

static void *watch_main(void *arg)
{
    struct watch *watch = arg;
    struct epoll_event events[EVENTS];
    uint64_t now;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&watch->mutex);
    while (!watch->stopped) {
        uint64_t due = watch->sleeps_until_ns = next_due(watch);
        int count;

        pthread_mutex_unlock(&watch->mutex);
        count = epoll_wait(watch->epoll, events, EVENTS, wait_ms(due));
        pthread_mutex_lock(&watch->mutex);
        take_events(watch, events, count);
        now = wire_now_ns();
        cut_off(watch, &watch->sending, now);
        cut_off(watch, &watch->surplus, now);
        rouse(watch, now);
        tell_gone(watch, now);
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

/* ---- From the start to the end ---- */

static void close_all(struct watch *watch)
{
    if (watch->epoll >= 0)
        (void)close(watch->epoll);
    if (watch->wake >= 0)
        (void)close(watch->wake);
    pthread_cond_destroy(&watch->alone);
    pthread_mutex_destroy(&watch->mutex);
    free(watch->by_fd);
    free(watch);
}

static bool start(struct watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN};

    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->epoll < 0 || watch->wake < 0)
        return false;
    event.data = watch_data(watch->wake, 0);
    return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->wake, &event) == 0 &&
           pthread_create(&watch->thread, NULL, watch_main, watch) == 0;
}

enum tilery_status watch_create(const struct watch_options *options, struct watch **out)
{
    struct watch *watch = calloc(1, sizeof *watch);

    *out = NULL;
    if (watch == NULL)
        return TILERY_RESOURCE_EXHAUSTED;
    watch->options = *options;
    pthread_mutex_init(&watch->mutex, NULL);
    condition_init(&watch->alone);
    if (!start(watch)) {
        close_all(watch);
        return TILERY_RESOURCE_EXHAUSTED;
    }
    *out = watch;
    return TILERY_OK;
}

void watch_stop(struct watch *watch)
{
    bool stopped;

    pthread_mutex_lock(&watch->mutex);
    stopped = watch->stopped;
    watch->stopped = true;
    watch_wake(watch);
    pthread_mutex_unlock(&watch->mutex);
    if (!stopped)
        pthread_join(watch->thread, NULL);
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    watch_stop(watch);
    close_all(watch);
}
