#ifndef TILERY_SERVICE_STREAM_TABLE_H
#define TILERY_SERVICE_STREAM_TABLE_H

/* What streams.c, the streams' lives, and polls.c, their reading, share. */
#include <pthread.h>

#include "service/internal.h"
#include "service/streams.h"
#include "service/window.h"
#include "wire/limits.h"

#define STREAM_LEASE_MS UINT64_C(10000)
/* While the server drains: a reader that is alive comes back sooner, and one that is dead holds up the end.
 */
#define STREAM_DRAIN_LEASE_MS UINT64_C(2000)
/* Where the opener's connection was lost before its first NextTiles. */
#define STREAM_ORPHAN_LEASE_MS UINT64_C(2000)

/* So many streams that were cancelled are known as such, for a reader that was away meanwhile: one that is
 * merely gone would be begun anew. */
#define STREAM_CANCELLED_KEPT 256u

struct poll {
    struct streams *streams;
    struct rpc_call *call;
    char id[WIRE_MAX_REQUEST_ID + 1];
    uint64_t cursor, max_bytes;
    bool over; /* its time was up, or its caller gone, before it was a stream's poll */
};

struct stream {
    struct job job; /* first: a job is cast back */
    struct streams *streams;
    struct window *window;
    struct run *run;
    uint64_t run_until_ns;           /* the end of the run's time */
    size_t tile_bytes, window_bytes; /* in the window, of the largest tile and of all that it holds */
    unsigned encodings;              /* of counts, that its reader accepts */
    char id[WIRE_MAX_REQUEST_ID + 1];
    /* The rest is guarded by the table's mutex. */
    struct stream *next;
    unsigned refs; /* the table's, the job's, and one a call that works with it */
    uint64_t lease_until_ns;
    bool given_anew;         /* the lease, as the server stood still when it ran out */
    uint32_t opener;         /* its connection, until the first NextTiles; then 0 */
    bool orphan;             /* that has gone meanwhile */
    struct poll *poll;       /* the one that waits */
    unsigned serving;        /* calls that are being answered */
    uint64_t way_ms;         /* what the last reply is given to get to its reader */
    bool ended, delivered;   /* the run; the reply that said done, or a failure in its place */
    struct wire_error error; /* why it ended, unless by reaching its end */
};

struct streams {
    struct admission *admission;
    uint64_t window_budget;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct stream *first; /* the oldest */
    unsigned count;
    uint64_t bytes; /* of all windows */
    uint64_t lease_ms;
    char cancelled[STREAM_CANCELLED_KEPT][WIRE_MAX_REQUEST_ID + 1]; /* ids, or "" */
    unsigned cancelled_next;
    bool closing;
    pthread_t leases;
};

/* The mutex is held. */
struct stream *stream_find(const struct streams *streams, const char *id);
void stream_renew(struct stream *stream); /* leases.c */

/* Where its id stands among the cancelled; NULL: nowhere. */
char *stream_find_cancelled(struct streams *streams, const char *id);

/* The lease counts from the poll's end on. */
struct poll *stream_take_poll(struct stream *stream);

/* The mutex is held. The table's reference is the caller's from here on. Who still reads the stream is told
 * why it ended. False when it was taken out before. */
bool stream_take_out(struct streams *streams, struct stream *stream, enum wire_status why,
                     const char *message);

/* Ends a stream that the caller has taken out of the table, with the reference and the poll that it had. */
void stream_end(struct stream *stream, const struct poll *poll);

/* openers.c: the same request by another connection; false when there is no such orphan. Takes the mutex. */
bool stream_adopt(struct streams *streams, const char *id, const struct run_spec *spec, unsigned encodings,
                  uint32_t opener);

/* leases.c: why a run was stopped whose time was up. */
extern const struct wire_error stream_overdue;

/* leases.c: whether the run's time is up, and nothing ended it before that is known of. The mutex is held. */
bool stream_is_overdue(const struct stream *stream);

/* leases.c: the thread that ends the streams whose lease, and the runs whose time is up, until closing. */
void *streams_watch_leases(void *streams);

/* Why the stream ended early, or is about to, or OK. Takes the mutex. */
struct wire_error stream_error(const struct stream *stream);

/* Gives a reference back. */
void stream_release(struct stream *stream);

/* leases.c: a call, which has a reference, is being answered, during which the lease does not run. The mutex
 * is held. */
void stream_serve(struct stream *stream);
/* It has been; gives its reference back. Takes the mutex. */
void stream_served(struct stream *stream);

/* polls.c: something has come, or will not come any more, for the poll that waits. A window's ready. */
void stream_on_ready(void *stream);

#endif
