#ifndef TILERY_BRIDGE_PEERS_H
#define TILERY_BRIDGE_PEERS_H

/* What watch.c, the thread, and peers.c, the connections that it watches, share. */
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "watch.h"
#include "wire/limits.h"

#define NS_PER_MS UINT64_C(1000000)
#define LAST_PAUSE_MS 1000u

enum peer_state {
    PEER_SENDING, /* a request, or nothing: its time runs */
    PEER_LEAVING, /* the same, but no more comes than has come */
    PEER_WAITING, /* for the answer, or reading it */
    PEER_CALLING, /* a run is computed for it */
    PEER_GONE     /* the same, and it has left */
};

struct peer {
    struct peer *prev, *next; /* among those of the same state, where that has a list */
    enum peer_state state;
    int fd;
    uint32_t serial;
    bool left, surplus;
    bool late;         /* from the beginning on */
    uint64_t due_ns;   /* when it is cut off; LEAVING: when its reader is roused; GONE: when to tell again */
    unsigned pause_ms; /* GONE */
    char call_id[WIRE_MAX_REQUEST_ID + 1]; /* CALLING and GONE */
};

struct peer_list {
    struct peer *first, *last;
};

struct watch {
    struct watch_options options;
    int epoll, wake;
    pthread_t thread;
    pthread_cond_t alone;  /* no peer is left */
    pthread_mutex_t mutex; /* guards all below, and the peers */
    struct peer **by_fd;
    size_t fds;
    unsigned peers;
    uint32_t serial;
    struct peer_list sending, surplus, leaving; /* by due_ns: in each, all have the same time */
    struct peer_list gone;
    unsigned tells;           /* under way */
    uint64_t sleeps_until_ns; /* the thread; UINT64_MAX: until an event */
    bool drains, stopped;
};

/* With the mutex held. */
void watch_move(struct watch *watch, struct peer *peer, enum peer_state state);
void watch_be_gone(struct watch *watch, struct peer *peer);
void watch_be_leaving(struct watch *watch, struct peer *peer);
void watch_wake(struct watch *watch);

/* With an event: the descriptor, and the serial number above it. */
union epoll_data watch_data(int fd, uint32_t serial);

#endif
