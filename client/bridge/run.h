#ifndef TILERY_BRIDGE_RUN_H
#define TILERY_BRIDGE_RUN_H

/* What runs.c, the table and its thread, run.c, one run and its feed, run_share.c, what it takes, and
 * run_events.c, what it sends, share. See runs.h. */
#include <pthread.h>
#include <stdatomic.h>

#include "runs.h"

#define RUN_ID 32
#define RUN_BUCKETS 4096u

enum event_type { EVENT_RUN, EVENT_TILE, EVENT_SUMMARY, EVENT_FAILURE, EVENT_END };

struct event {
    struct event *next;
    uint64_t number; /* from 1 on */
    enum event_type type;
    size_t len;    /* of the JSON, */
    size_t counts; /* and of a tile's counts behind it, in bytes, which belong into its data */
    char json[];
};

/* What is to be made next. */
enum run_stage { RUN_BEGINS, RUN_TILES, RUN_FAILS, RUN_ENDS, RUN_OVER };

struct run {
    struct runs *runs;
    char id[RUN_ID + 1];
    struct tilery_compute_request request;
    char kernel[33];
    struct format_options options;
    uint64_t keep_bytes; /* of events */
    atomic_uint refs;
    _Atomic uint64_t due_ns; /* a heartbeat, or the lease's end */
    atomic_bool spare;       /* over, and without a feed */

    pthread_mutex_t mutex; /* guards what follows */
    tilery_stream *stream;
    bool asked, ended; /* on_ready is to come; the run has left the table for good */
    enum run_stage stage;
    struct tilery_error error; /* of stage FAILS */
    uint64_t tiles;
    uint64_t share, kept;
    struct event *first, *last;
    uint64_t count; /* of events so far */
    struct feed *feed;

    /* Under the table's mutex. */
    struct run_list *list; /* NULL: it is not in the table */
    char feed_id[33];      /* "" without a feed */
    struct run *prev, *next;
    struct run *same; /* the next one of its bucket */
};

struct run_list {
    struct run *first, *last;
};

struct runs {
    struct runs_options options;
    atomic_uint open;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the lists */
    pthread_cond_t wake;
    struct run *by_id[RUN_BUCKETS];
    struct run_list fed, unfed;       /* with a feed, as many as there are connections; without, by due_ns */
    _Atomic uint64_t sleeps_until_ns; /* the thread */
    bool stopped;
};

/* ---- runs.c ---- */

/* The run's mutex is held in those that are given a run, once others know it. */

/* From now on a heartbeat is to come, or with "" the lease's end. */
void runs_name_feed(struct run *run, const char *feed_id);
void runs_set_heartbeat(struct run *run);
/* By its feed's id, held for the caller; NULL: there is none. */
struct run *runs_find_feed(struct runs *runs, const char *feed_id);
/* True: it was in the table, whose hold is the caller's now. */
bool runs_unlist(struct run *run);

/* ---- run_share.c ---- */

/* Of the events of a run of that request, what it keeps at most. */
uint64_t run_keep_bytes(const struct tilery_compute_request *request);

/* ---- run.c ---- */

/* The heartbeat or the lease's end is due, perhaps. */
void run_look(struct run *run, uint64_t now);
/* Ends the run, and why. The caller holds it. False: it had ended before. */
bool run_end(struct run *run, enum tilery_status status, const char *why);
/* The mutex is held. */
void run_drop_stream(struct run *run);
void run_on_ready(void *arg);

/* ---- run_events.c ---- */

/* The mutex is held in these. */
enum run_made {
    RUN_MADE,    /* run->last is new */
    RUN_WAITS,   /* for on_ready */
    RUN_COMPLETE /* nothing more comes */
};
enum run_made run_make(struct run *run);
void run_forget_events(struct run *run);

/* The pieces of an event, or of a heartbeat, as the feed's connection gets it. */
void feed_frame(struct feed *feed, const struct event *event);
void feed_beat(struct feed *feed);

#endif
