#ifndef TILERY_BRIDGE_WATCH_H
#define TILERY_BRIDGE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "tilery/client.h"

/*
 * What libmicrohttpd does not look after: a client that leaves while its request is computed, for it watches
 * no suspended connection, one that leaves as it sends the last that it sends, and one whose request does not
 * come to its end, for it counts the time from the last byte. One thread, which wakes for an event, for a
 * time that is up, and for nothing else.
 *
 * Who owns what: a peer is a connection's, from watch_enter to watch_leave, which are called on the
 * connection's thread by libmicrohttpd's first and last word on it. So its descriptor is open all the while,
 * and no other connection's. The watch's mutex guards every peer; watch_leave waits for it, so that the
 * thread never looks at a peer, or shuts down a descriptor, that is gone. An event that was fetched before
 * names a descriptor and a serial number, and a new connection on the same descriptor has another one.
 *
 * A peer knows no request but the id of the run that is computed for it. The thread copies that, and tells
 * on_gone of it with no lock held: by then the run may have ended by itself.
 */
struct watch;
struct peer;

/*
 * On the watch's thread: the client of that run has left. Told again, after 10 ms, 20 ms and so on up to a
 * second, until peer_called: a cancel may overtake the run on its way to the server, or be lost. Each must be
 * followed by watch_told, as only WATCH_TELLS of them are under way at once: the server answers no more than
 * so many requests of a connection at a time, and those of who stayed have room beside them. With fewer, many
 * that leave at once wait for as many round trips, each as long as a busy machine takes.
 */
#define WATCH_TELLS 32
typedef void watch_gone_fn(void *arg, const char *call_id);

struct watch_options {
    uint64_t request_timeout_ms; /* for a whole request to come, idle time before it included */
    unsigned max_peers;          /* those beyond are surplus, and have a second for it */
    watch_gone_fn *on_gone;
    void *arg;
};

/* RESOURCE_EXHAUSTED: no memory, thread or descriptor. Ends with watch_free. */
TILERY_MUST_USE enum tilery_status watch_create(const struct watch_options *options, struct watch **out);

/* What on_gone was told of has been done, whatever came of it. On any thread. */
void watch_told(struct watch *watch);

/* Tells of nobody any more, and cuts off nobody. */
void watch_stop(struct watch *watch);

/*
 * Shuts down every connection from below, and waits until libmicrohttpd has closed them, most_ms at most.
 * For before MHD_stop_daemon, which in 0.9.75 crashes on a request that it refuses itself meanwhile.
 */
void watch_hang_up(struct watch *watch, uint64_t most_ms);

/* When no peer is left; stops first. NULL is fine. */
void watch_free(struct watch *watch);

/* A new connection, whose first request's time begins to run; NULL when there is no memory. Ends with
 * watch_leave. */
struct peer *watch_enter(struct watch *watch, int fd);

/* Before the descriptor is closed. NULL is fine. */
void watch_leave(struct watch *watch, struct peer *peer);

/* Who comes from now on is late. */
void watch_drain(struct watch *watch);
bool peer_is_late(const struct peer *peer);

/* Whether it came when there were max_peers already, and there still are more than that. */
bool peer_is_surplus(struct watch *watch, const struct peer *peer);

/* The whole request is there: its time stands still. Then its answer is sent, or is given up: the next one's
 * time begins. A connection whose time is up is shut down from below, for libmicrohttpd to close. */
void peer_received(struct watch *watch, struct peer *peer);
void peer_answered(struct watch *watch, struct peer *peer);

/*
 * A run of that id, of up to 64 characters, is computed for it from now on; on_gone may be called before this
 * returns. It has ended, on any thread; from then on on_gone is not called but where it is at it.
 */
void peer_calls(struct watch *watch, struct peer *peer, const char *call_id);
void peer_called(struct watch *watch, struct peer *peer);

#endif
