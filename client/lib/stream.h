#ifndef TILERY_CLIENT_STREAM_H
#define TILERY_CLIENT_STREAM_H

/*
 * What stream.c, a stream's life, tiles.c, its reader, polls.c, the request for the next tiles, and moves.c,
 * what becomes of a stream whose server is lost, share.
 *
 * A stream is a machine that never waits: each of its steps starts a call, whose end, on one of nng's
 * threads, takes the next one. Those who wait, tilery_stream_next and the like, have it tell them when to
 * look again.
 *
 * The mutex guards the state and what stands behind it. What stands before belongs to one thread at a time:
 * to the reader while it has tiles to look at, or has taken a poll's outcome (READING), and to the step that
 * is under way when the reader has run dry. No call is started and no callback of the caller's runs under the
 * mutex.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "batch.h"
#include "internal.h"
#include "plan.h"

enum stream_state {
    STREAM_OPENING,  /* the caller does not have it yet */
    STREAM_POLLING,  /* tiles have been asked for */
    STREAM_READY,    /* a poll's outcome is there for the reader */
    STREAM_KEEPING,  /* it still is, and the lease is being renewed */
    STREAM_READING,  /* it has been taken, and what follows is being decided */
    STREAM_PAUSING,  /* before the next poll */
    STREAM_CHECKING, /* whether a server that does not know the stream serves */
    STREAM_MOVING,   /* a run of the rest is being opened */
    STREAM_OVER      /* nothing more comes; why is in error */
};

struct tilery_stream {
    tilery_client *client;                 /* held */
    struct tilery_compute_request request; /* its kernel is the stream's own */
    char *kernel, *traceparent;            /* NULL: none */
    struct plan plan;
    uint64_t deadline_ns;
    bool wait_for_ready; /* also where the rest is to be done elsewhere */
    tilery_stream_open_fn *opened;
    void *opened_arg;

    char id[WIRE_MAX_REQUEST_ID + 1]; /* "" until the first run is open, where the caller gave none */
    uint8_t *delivered;               /* a bit for each of the plan's tasks */
    uint64_t received;                /* how many of them are set */

    /* The run that the tiles come from now. */
    struct server *server;
    uint64_t run_tiles, cursor;
    bool moved;             /* it is not the first: some of its tiles have been delivered */
    uint32_t run;           /* which it is; 0: the first */
    unsigned moves;         /* since a tile came that had not */
    uint64_t time_limit_ms; /* the run's */
    uint64_t run_ns;        /* how far the run's own clock has come, as far as its tiles tell */
    uint64_t lost_ns;       /* when the server forgets it, unless it hears from us */
    uint64_t down_ns;       /* since when polls fail; 0: they do not */
    bool refused;           /* the server said that it ended the run */
    struct open_run open_run;
    unsigned connections; /* the server's, when the last good poll was sent */
    unsigned poll_connections, keep_connections;
    unsigned halvings; /* of the batches that are asked for, as larger ones did not arrive */

    uint64_t new_tiles, new_limit_ms; /* of the run that is being opened */

    struct batch batch;
    struct tilery_tile tile;

    _Atomic uint64_t read_ns; /* when the reader last asked */

    pthread_mutex_t mutex;
    enum stream_state state;
    unsigned refs;         /* its opener's, and one a call under way */
    bool dry;              /* the reader has nothing left: a step may do without it */
    bool dropped;          /* no step follows the one under way */
    uint64_t lease_ms;     /* the run's */
    nng_msg *reply;        /* the poll's outcome, or NULL and */
    struct wire_error why; /* the failure, */
    bool replied;          /* which the server told of */
    struct wire_error error;
    tilery_stream_notify_fn *notify; /* who waits; NULL: nobody */
    void *notify_arg;
    void (*gone)(void *arg); /* told when the stream is freed; NULL: nobody */
    void *gone_arg;
    uint64_t heard_ns; /* when the last poll ended */
    uint64_t keep_ms;  /* how long a pause of the reader's may be; 0: not longer than the lease */
    bool looking;      /* after the lease */
};

/* ---- stream.c ---- */

/* Before a call is started as the stream's next step, for which it takes a reference. False: there is no next
 * step, as the stream has been dropped. */
WIRE_MUST_USE bool stream_go(tilery_stream *stream, enum stream_state state);

/* Gives the call's reference back. The stream may be gone when it returns. */
void stream_leave(tilery_stream *stream);

/* The mutex is held, and let go. From here on there is something to look at: READY or OVER. */
void stream_show(tilery_stream *stream, enum stream_state state);

/* Nothing more comes: OK when all has come, or why. */
void stream_over(tilery_stream *stream, const struct wire_error *error);

/* Ends the run at the server, in the background, and asks again where it is too busy to listen. */
void stream_cancel(tilery_stream *stream);

/* Waits until there is something to look at. */
void stream_wait(tilery_stream *stream);

/* ---- polls.c ---- */

/* Asks for the next batch. False when the stream has been dropped. */
bool stream_poll(tilery_stream *stream);

/* Asks for it after a pause, which gives the server time. */
void stream_pause(tilery_stream *stream);

/* What is left of the stream's time, at most most_ms; 0: nothing. */
uint64_t stream_time_left_ms(const tilery_stream *stream, uint64_t most_ms);

/* ---- moves.c ---- */

/* Starts to open a run of the tasks that have not been delivered, at a server that serves; timeout_ms may
 * be 0. */
WIRE_MUST_USE enum wire_status stream_begin(tilery_stream *stream, uint64_t timeout_ms,
                                            struct wire_error *error);

/* The poll ended as why says: asks again, of the same run or of a new one, or ends the stream. */
void stream_recover(tilery_stream *stream);

/* The server has the stream, and renewed its lease. */
void stream_heard(tilery_stream *stream);

/* Of the plan's tasks, counted from its first. */
bool stream_has_delivered(const tilery_stream *stream, uint64_t task);

#endif
