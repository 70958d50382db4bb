#ifndef TILERY_BRIDGE_RUNS_H
#define TILERY_BRIDGE_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "budget.h"
#include "format.h"
#include "tilery/client.h"

/*
 * The runs of /api/compute/stream, which outlive their connections.
 *
 * A run is held by the table, until its lease is over, DELETE or the bridge's end; by the feed that is
 * attached, a connection's answer; by libtilery, while it is asked to tell when there is something to read;
 * and by whoever has just found it. It is freed with the last of them. Its stream is dropped, which cancels
 * it, when its last tile has been read or when the run leaves the table, whichever comes first.
 *
 * Threads. run_read and run_detach are called on the HTTP thread of the feed's connection, run_attach on that
 * of the new one; runs_left on the watch's; on_ready on one of libtilery's; leases and heartbeats are the
 * runs' own one thread's. Nobody reads the stream but run_read of the feed that is attached.
 *
 * Locks. A run's mutex guards all of it, its stream and its feed, while an event is written, too. The table's
 * guards the list, and is taken last; libmicrohttpd's and libtilery's own are taken under a run's, but
 * neither calls us with one of its own held. A feed's connection is suspended, and resumed, only under its
 * run's mutex, by who set or cleared feed.waiting: so it is resumed once, and never when it is not suspended.
 *
 * The races:
 *
 * - notify, suspend: run_read asks to be told and suspends under the mutex; on_ready, which may come before
 *   it has, waits for the mutex.
 * - notify, detach: What was asked for stays asked for (run.asked) without a feed. The next feed does not
 *   read, which is forbidden meanwhile, but waits for the same answer.
 * - notify, drop: Where tilery_stream_drop is true, on_ready is not called, and its hold is let go of there.
 *   False: on_ready comes, or came, and lets go itself. It finds no stream any more.
 * - attach, attach: The newer one cuts the older one off: it is resumed where it waits, ends with an error
 *   and finds itself not attached when it detaches.
 * - lease, attach: Whoever has the mutex first: the lease looks again whether a feed is there, and run_attach
 *   finds that a run has ended.
 * - DELETE, read: The run leaves the table at once. The feed that is attached still sends why, and that it
 *   ends.
 * - left, detach: The watch tells of a feed by an id that is that feed's alone: of one that is gone it finds
 *   nothing.
 * - the bridge's end: runs_stop ends all runs as DELETE does, and no other is added. So nothing is suspended
 *   for long when libmicrohttpd is stopped, after which no feed is left.
 */
struct runs;
struct run;

struct runs_options {
    uint64_t heartbeat_ms, lease_ms;
    struct budget *budget; /* outlives the runs */
};

/* The error of what the bridge does not begin, or cuts off, as it ends. */
#define BRIDGE_DRAINS "the bridge is shutting down"
/* What is said beside that error, or another of status UNAVAILABLE. */
const char *runs_unavailable(const struct tilery_error *error);

/* Has a server's UNAUTHENTICATED say that it is not of the caller's token. */
void runs_tell_whose_token(struct tilery_error *error);

/* RESOURCE_EXHAUSTED: no memory or thread. Ends with runs_free. */
TILERY_MUST_USE enum tilery_status runs_create(const struct runs_options *options, struct runs **out);

/* Ends all runs, and adds none any more. */
void runs_stop(struct runs *runs);

/* When there is no feed any more; stops first. NULL is fine. */
void runs_free(struct runs *runs);

/* Runs whose stream is open. */
unsigned runs_open(const struct runs *runs);

/* As budget_take, but lets go of runs that are over, and are kept only to be asked for again, where there is
 * no room otherwise. */
bool runs_take(struct runs *runs, uint64_t share);

/* What a run of that request takes at most, of the budget: never 0. */
uint64_t runs_share(const struct tilery_compute_request *request);

struct run_start {
    tilery_stream *stream;
    const struct tilery_compute_request *request; /* copied, but its kernel, which the stream does not need */
    const struct format_options *options;
    uint64_t share; /* taken, by runs_share */
};

/* Takes over the stream and the share, and holds the run for the caller. NULL, and nothing is taken over:
 * there is no memory, or the runs are stopped. */
struct run *runs_add(struct runs *runs, const struct run_start *start);

/* By its id, held for the caller; NULL: there is none. */
struct run *runs_find(struct runs *runs, const char *id);
void run_release(struct run *run);

/* Ends the run and its connection. False: there is none. */
bool runs_end(struct runs *runs, const char *id);

/* The client of that feed has left. False: there is no such feed. */
bool runs_left(struct runs *runs, const char *feed_id);

/* ---- Feeds: a run's events as one connection gets them ---- */

struct MHD_Connection;
struct event;

/* Of what an answer is made of, as far as it has come. */
struct run_times {
    bool known;
    uint64_t queue_ns, run_ns;
};

struct piece {
    const char *bytes;
    size_t len;
    bool base64; /* it is sent so */
};

#define FEED_PIECES 4u

struct feed {
    struct MHD_Connection *connection;
    uint64_t *bytes;                  /* counts what is sent */
    struct run_times *times;          /* told with the summary */
    bool ndjson;                      /* else server-sent events */
    char id[33];                      /* for runs_left; nobody else's */
    struct run *run;                  /* held, once it is attached */
    struct event *upcoming;           /* NULL: has to be made */
    bool cut, waiting, beat, greeted; /* cut: ends with an error; beat: a heartbeat is due */
    struct piece pieces[FEED_PIECES]; /* of the event that is being sent */
    unsigned piece;
    size_t used;
    char head[160];
};

enum run_attached {
    RUN_ATTACHED,
    RUN_ENDED,    /* by DELETE or its lease */
    RUN_SENT,     /* there is nothing after that event */
    RUN_AHEAD,    /* there has been no such event yet */
    RUN_FORGOTTEN /* what follows that event is not kept any more */
};

/* Attaches a feed, whose first four members are set, to be sent all that follows the event number after, 0
 * for everything. Ends with run_detach where it is RUN_ATTACHED. NULL: only says what would come of it. */
enum run_attached run_attach(struct run *run, struct feed *feed, uint64_t after);
void run_detach(struct feed *feed);

/* libmicrohttpd's content reader: arg is the feed. Suspends the connection where there is nothing to send. */
ssize_t run_read(void *arg, uint64_t position, char *buffer, size_t size);

#endif
