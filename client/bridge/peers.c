/* The connections that are watched, and what they are at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers.h"
#include "wire/clock.h"
#include "wire/condition.h"

#define FIRST_PAUSE_MS 10u
#define ROUSE_MS 100u
/* For who is beyond max_peers to say what for; there is no room for many of them. */
#define SURPLUS_TIMEOUT_MS 1000u

/* ---- With the mutex held ---- */

static struct peer_list *list_of(struct watch *watch, const struct peer *peer)
{
    if (peer->state == PEER_SENDING)
        return peer->surplus ? &watch->surplus : &watch->sending;
    if (peer->state == PEER_LEAVING)
        return &watch->leaving;
    return peer->state == PEER_GONE ? &watch->gone : NULL;
}

static void take_out(struct watch *watch, struct peer *peer)
{
    struct peer_list *list = list_of(watch, peer);

    if (list == NULL)
        return;
    *(peer->prev != NULL ? &peer->prev->next : &list->first) = peer->next;
    *(peer->next != NULL ? &peer->next->prev : &list->last) = peer->prev;
}

static void put_in(struct watch *watch, struct peer *peer, enum peer_state state)
{
    struct peer_list *list;

    peer->state = state;
    list = list_of(watch, peer);
    if (list == NULL)
        return;
    peer->next = NULL;
    peer->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = peer;
    list->last = peer;
}

void watch_move(struct watch *watch, struct peer *peer, enum peer_state state)
{
    take_out(watch, peer);
    put_in(watch, peer, state);
}

void watch_wake(struct watch *watch)
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
    watch_wake(watch);
}

static void begin_sending(struct watch *watch, struct peer *peer)
{
    uint64_t most_ms = watch->options.request_timeout_ms;

    if (peer->surplus && most_ms > SURPLUS_TIMEOUT_MS)
        most_ms = SURPLUS_TIMEOUT_MS;
    peer->due_ns = wire_now_ns() + most_ms * NS_PER_MS;
    be_awake_at(watch, peer->due_ns);
}

/* At once the first time. */
void watch_be_gone(struct watch *watch, struct peer *peer)
{
    peer->due_ns = 0;
    peer->pause_ms = FIRST_PAUSE_MS;
    watch_move(watch, peer, PEER_GONE);
}

/* Not at once: its reader is hardly ever to be roused. */
void watch_be_leaving(struct watch *watch, struct peer *peer)
{
    peer->due_ns = wire_now_ns() + ROUSE_MS * NS_PER_MS;
    watch_move(watch, peer, PEER_LEAVING);
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

union epoll_data watch_data(int fd, uint32_t serial)
{
    return (union epoll_data){.u64 = (uint64_t)serial << 32 | (uint32_t)fd};
}

/* Edge-triggered: each end of a connection is told of once, whatever it is at, and its data never. */
static bool add(struct watch *watch, struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data = watch_data(peer->fd, peer->serial)};

    if (!make_room(watch, peer->fd) || epoll_ctl(watch->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
        return false;
    watch->by_fd[peer->fd] = peer;
    peer->surplus = ++watch->peers > watch->options.max_peers;
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
    peer->late = watch->drains;
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
    if (--watch->peers == 0)
        pthread_cond_broadcast(&watch->alone);
    (void)epoll_ctl(watch->epoll, EPOLL_CTL_DEL, peer->fd, NULL);
    pthread_mutex_unlock(&watch->mutex);
    free(peer);
}

void watch_hang_up(struct watch *watch, uint64_t most_ms)
{
    uint64_t until_ns = wire_after_ms(most_ms);

    pthread_mutex_lock(&watch->mutex);
    for (size_t fd = 0; fd < watch->fds; fd++)
        if (watch->by_fd[fd] != NULL)
            (void)shutdown((int)fd, SHUT_RDWR);
    while (watch->peers != 0 && condition_wait(&watch->alone, &watch->mutex, until_ns))
        continue;
    pthread_mutex_unlock(&watch->mutex);
}

void peer_received(struct watch *watch, struct peer *peer)
{
    pthread_mutex_lock(&watch->mutex);
    watch_move(watch, peer, PEER_WAITING);
    pthread_mutex_unlock(&watch->mutex);
}

void peer_answered(struct watch *watch, struct peer *peer)
{
    pthread_mutex_lock(&watch->mutex);
    if (peer->left) {
        watch_be_leaving(watch, peer);
        be_awake_at(watch, peer->due_ns);
    } else {
        watch_move(watch, peer, PEER_SENDING);
        begin_sending(watch, peer);
    }
    pthread_mutex_unlock(&watch->mutex);
}

void peer_calls(struct watch *watch, struct peer *peer, const char *call_id)
{
    pthread_mutex_lock(&watch->mutex);
    (void)snprintf(peer->call_id, sizeof peer->call_id, "%s", call_id);
    if (peer->left) {
        watch_be_gone(watch, peer);
        be_awake_at(watch, peer->due_ns);
    } else {
        watch_move(watch, peer, PEER_CALLING);
    }
    pthread_mutex_unlock(&watch->mutex);
}

void peer_called(struct watch *watch, struct peer *peer)
{
    peer_received(watch, peer);
}

void watch_drain(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->drains = true;
    pthread_mutex_unlock(&watch->mutex);
}

bool peer_is_late(const struct peer *peer)
{
    return peer->late;
}

bool peer_is_surplus(struct watch *watch, const struct peer *peer)
{
    bool surplus;

    pthread_mutex_lock(&watch->mutex);
    surplus = peer->surplus && watch->peers > watch->options.max_peers;
    pthread_mutex_unlock(&watch->mutex);
    return surplus;
}

void watch_told(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
    watch->tells--;
    if (watch->gone.first != NULL)
        be_awake_at(watch, 0);
    pthread_mutex_unlock(&watch->mutex);
}
