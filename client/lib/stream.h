#ifndef TILERY_CLIENT_STREAM_H
#define TILERY_CLIENT_STREAM_H

/*
 * What stream.c, the tiles one by one, polls.c, the request for the next ones, and moves.c, what becomes of a
 * stream whose server is lost, share. All but the poll's end runs on the caller's thread.
 */
#include <pthread.h>

#include "internal.h"
#include "plan.h"

struct tilery_stream {
    tilery_client *client;
    char id[WIRE_MAX_REQUEST_ID + 1];      /* "" until the first run is open, where the caller gave none */
    struct tilery_compute_request request; /* its kernel is the stream's own */
    char *kernel;
    struct plan plan;
    uint8_t *delivered; /* a bit for each of the plan's tasks */
    uint64_t received;  /* how many of them are set */
    uint64_t deadline_ns;
    struct wire_error error; /* the one that ended it */

    /* The run that the tiles come from now. */
    struct server *server;
    uint64_t run_tiles, cursor;
    bool moved;                 /* it is not the first: some of its tiles have been delivered */
    unsigned moves;             /* since a tile came that had not */
    uint64_t time_limit_ms;     /* the run's */
    uint64_t run_ns;            /* how far the run's own clock has come, as far as its tiles tell */
    uint64_t lease_ms, lost_ns; /* lost: when the server forgets it, unless it hears from us */
    uint64_t down_ns;           /* since when polls fail; 0: they do not */
    bool refused;               /* the server said that it ended the run */
    unsigned connections;       /* the server's, when the last good poll was sent */

    struct wire_arena arena;                 /* of the batch */
    const Tilery__V1__NextTilesReply *batch; /* NULL before a run's first */
    size_t next;                             /* in the batch */
    bool done;
    struct tilery_tile tile;

    pthread_mutex_t mutex; /* guards the poll: it ends on a thread of nng */
    pthread_cond_t polled;
    bool polling, poll_over;
    unsigned poll_connections;
    nng_msg *reply;
    struct wire_error poll_error;
};

/* ---- polls.c ---- */

/* Asks for the next batch. */
void poll_start(tilery_stream *stream);

/* The reply, which is the caller's, or NULL and the error. */
nng_msg *poll_wait(tilery_stream *stream, struct wire_error *error);

/* Gives the server time. */
void poll_pause(void);

/* What is left of the stream's time, at most most_ms; 0: nothing. */
uint64_t stream_time_left_ms(const tilery_stream *stream, uint64_t most_ms);

/* ---- moves.c ---- */

/* Starts a run of the tasks that have not been delivered, at a server that serves; timeout_ms may be 0. */
WIRE_MUST_USE enum wire_status stream_begin(tilery_stream *stream, uint64_t timeout_ms,
                                            struct wire_error *error);

/* A poll ended with the error, replied by the server or not: OK when another is worth its while, of the same
 * run or of a new one. */
WIRE_MUST_USE enum wire_status stream_recover(tilery_stream *stream, bool replied, struct wire_error *error);

/* The server has the stream, and renewed its lease. */
void stream_heard(tilery_stream *stream);

/* Of the plan's tasks, counted from its first. */
bool stream_has_delivered(const tilery_stream *stream, uint64_t task);

#endif
