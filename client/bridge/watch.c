#include "watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/clock.h"
#include "wire/limits.h"

#define NS_PER_MS UINT64_C(1000000)
#define EVENTS 64
#define FIRST_PAUSE_MS 10u
#define LAST_PAUSE_MS 1000u

enum peer_state {
    PEER_SENDING, /* a request, or nothing: its time runs */
    PEER_WAITING, /* for the answer, or reading it */
    PEER_CALLING, /* a run is computed for it */
    PEER_GONE     /* the same, and it has left */
};

struct peer {
    struct peer *prev, *next; /* among those of the same state, where that has a list */
    enum peer_state state;
    int fd;
    uint32_t serial;
    bool left;
    uint64_t due_ns;                       /* SENDING: when it is cut off; GONE: when to tell again */
    unsigned pause_ms;                     /* GONE */
    char call_id[WIRE_MAX_REQUEST_ID + 1]; /* CALLING and GONE */
};

struct peer_list {
    struct peer *first, *last;
};

struct watch {
    uint64_t timeout_ns;
    watch_gone_fn *on_gone;
    void *arg;
    int epoll, wake;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below, and the peers */
    struct peer **by_fd;
    size_t fds;
    uint32_t serial;
    struct peer_list sending; /* by due_ns: each has the same time, from when it entered */
    struct peer_list gone;
    unsigned tells;           /* under way */
    uint64_t sleeps_until_ns; /* the thread; UINT64_MAX: until an event */
    bool stopped;
};

/* ---- With the mutex held ---- */

static struct peer_list *list_of(struct watch *watch, enum peer_state state)
{
    if (state == PEER_SENDING)
        return &watch->sending;
    return state == PEER_GONE ? &watch->gone : NULL;
}

static void take_out(struct watch *watch, struct peer *peer)
{
    struct peer_list *list = list_of(watch, peer->state);

    if (list == NULL)
        return;
    *(peer->prev != NULL ? &peer->prev->next : &list->first) = peer->next;
    *(peer->next != NULL ? &peer->next->prev : &list->last) = peer->prev;
}

static void put_in(struct watch *watch, struct peer *peer, enum peer_state state)
{
    struct peer_list *list = list_of(watch, state);

    peer->state = state;
    if (list == NULL)
        return;
    peer->next = NULL;
    peer->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = peer;
    list->last = peer;
}

static void move_to(struct watch *watch, struct peer *peer, enum peer_state state)
{
    take_out(watch, peer);
    put_in(watch, peer, state);
}

static void wake(struct watch *watch)
{
    const uint64_t one = 1;

    (void)!write(watch->wake, &one, sizeof one);
}

/* The thread is woken only where it would sleep too long. */
static void be_awake_at(struct watch *watch, uint64_t due_ns)
{
    if (due_ns >= watch->sleeps_until_ns)
        return;
    watch->sleeps_until_ns = due_ns;
    wake(watch);
}

static void begin_sending(struct watch *watch, struct peer *peer)
{
    peer->due_ns = wire_now_ns() + watch->timeout_ns;
    be_awake_at(watch, peer->due_ns);
}

/* At once the first time. */
static void be_gone(struct watch *watch, struct peer *peer)
{
    peer->due_ns = 0;
    peer->pause_ms = FIRST_PAUSE_MS;
    move_to(watch, peer, PEER_GONE);
}

static bool make_room(struct watch *watch, int fd)
{
    size_t fds = watch->fds != 0 ? watch->fds : 64;
    struct peer **by_fd;

    while (fds <= (size_t)fd)
        fds *= 2;
    if (fds == watch->fds)
        return true;
    by_fd = realloc(watch->by_fd, fds * sizeof *by_fd);
    if (by_fd == NULL)
        return false;
    memset(&by_fd[watch->fds], 0, (fds - watch->fds) * sizeof *by_fd);
    watch->by_fd = by_fd;
    watch->fds = fds;
    return true;
}

/* ---- Connections ---- */

static union epoll_data data_of(int fd, uint32_t serial)
{
    return (union epoll_data){.u64 = (uint64_t)serial << 32 | (uint32_t)fd};
}

/* Edge-triggered: each end of a connection is told of once, whatever it is at, and its data never. */
static bool add(struct watch *watch, struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data = data_of(peer->fd, peer->serial)};

    if (!make_room(watch, peer->fd) || epoll_ctl(watch->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
        return false;
    watch->by_fd[peer->fd] = peer;
    put_in(watch, peer, PEER_SENDING);
    begin_sending(watch, peer);
    return true;
}

struct peer *watch_enter(struct watch *watch, int fd)
{
    struct peer *peer = calloc(1, sizeof *peer);
    bool added;

    if (peer == NULL)
        return NULL;
    peer->fd = fd;
    pthread_mutex_lock(&watch->mutex);
    peer->serial = watch->serial++;
    added = add(watch, peer);
    pthread_mutex_unlock(&watch->mutex);
    if (added)
        return peer;
    free(peer);
    return NULL;
}

void watch_leave(struct watch *watch, struct peer *peer)
{
    if (peer == NULL)
        return;
    pthread_mutex_lock(&watch->mutex);
    take_out(watch, peer);
    watch->by_fd[peer->fd] = NULL;
    (void)epoll_ctl(watch->epoll, EPOLL_CTL_DEL, peer->fd, NULL);
    pthread_mutex_unlock(&watch->mutex);
    free(peer);
}

void peer_received(struct watch *watch, struct peer *peer)
{
    pthread_mutex_lock(&watch->mutex);
    move_to(watch, peer, PEER_WAITING);
    pthread_mutex_unlock(&watch->mutex);
}

void peer_answered(struct watch *watch, struct peer *peer)
{
    pthread_mutex_lock(&watch->mutex);
    move_to(watch, peer, PEER_SENDING);
    begin_sending(watch, peer);
    pthread_mutex_unlock(&watch->mutex);
}

void peer_calls(struct watch *watch, struct peer *peer, const char *call_id)
{
    pthread_mutex_lock(&watch->mutex);
    (void)snprintf(peer->call_id, sizeof peer->call_id, "%s", call_id);
    if (peer->left) {
        be_gone(watch, peer);
        be_awake_at(watch, peer->due_ns);
    } else {
        move_to(watch, peer, PEER_CALLING);
    }
    pthread_mutex_unlock(&watch->mutex);
}

void peer_called(struct watch *watch, struct peer *peer)
{
    peer_received(watch, peer);
}

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
                be_gone(watch, peer);
        }
    }
}

/* The mutex is held. Those whose time is up end as if they had left. */
static void cut_off(struct watch *watch, uint64_t now)
{
    struct peer *peer;

    while ((peer = watch->sending.first) != NULL && peer->due_ns <= now) {
        (void)shutdown(peer->fd, SHUT_RDWR);
        move_to(watch, peer, PEER_WAITING);
    }
}

/* The mutex is held. One that is to be told of, or NULL; its next time is set. */
static struct peer *next_gone(struct watch *watch, uint64_t now)
{
    for (struct peer *peer = watch->gone.first; peer != NULL; peer = peer->next)
        if (peer->due_ns <= now) {
            peer->due_ns = now + peer->pause_ms * NS_PER_MS;
            if (peer->pause_ms < LAST_PAUSE_MS)
                peer->pause_ms *= 2;
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
        watch->on_gone(watch->arg, call_id);
        pthread_mutex_lock(&watch->mutex);
    }
}

/* The mutex is held. */
static uint64_t next_due(const struct watch *watch)
{
    uint64_t due = watch->sending.first != NULL ? watch->sending.first->due_ns : UINT64_MAX;

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
        cut_off(watch, now);
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
    event.data = data_of(watch->wake, 0);
    return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->wake, &event) == 0 &&
           pthread_create(&watch->thread, NULL, watch_main, watch) == 0;
}

enum tilery_status watch_create(uint64_t request_timeout_ms, watch_gone_fn *on_gone, void *arg,
                                struct watch **out)
{
    struct watch *watch = calloc(1, sizeof *watch);

    *out = NULL;
    if (watch == NULL)
        return TILERY_RESOURCE_EXHAUSTED;
    watch->timeout_ns = request_timeout_ms * NS_PER_MS;
    watch->on_gone = on_gone;
    watch->arg = arg;
    pthread_mutex_init(&watch->mutex, NULL);
    if (!start(watch)) {
        close_all(watch);
        return TILERY_RESOURCE_EXHAUSTED;
    }
    *out = watch;
    return TILERY_OK;
}

void watch_told(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->tells--;
    if (watch->gone.first != NULL)
        be_awake_at(watch, 0);
    pthread_mutex_unlock(&watch->mutex);
}

void watch_stop(struct watch *watch)
{
    bool stopped;

    pthread_mutex_lock(&watch->mutex);
    stopped = watch->stopped;
    watch->stopped = true;
    wake(watch);
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
