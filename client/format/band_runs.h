#ifndef TILERY_FORMAT_BAND_RUNS_H
#define TILERY_FORMAT_BAND_RUNS_H

/* What bands.c, which reads the bands, and band_runs.c, which begins their runs, share. */
#include <pthread.h>

#include "bands.h"

#define BAND_ID_BYTES 65

enum band_state {
    BAND_NONE, /* not begun, or there is none any more */
    BAND_OPENING,
    BAND_OPEN,
    BAND_FAILED
};

struct band {
    struct bands *bands;
    enum band_state state;
    tilery_stream *stream;     /* of an open one */
    struct tilery_error error; /* of a failed one */
    bool again;                /* it has been begun twice */
    uint64_t first_row, rows;  /* pixels */
    uint64_t first_tiles;      /* its first row of tiles */
    char id[BAND_ID_BYTES];
};

/* The mutex guards what an opening's end changes: the state, stream and error of a band that is OPENING, the
 * references and the notification. All else is the reader's. */
struct bands {
    tilery_client *client;
    struct tilery_compute_request request;
    uint64_t timeout_ms, open_timeout_ms;
    bool wait_for_ready;
    const char *name, *traceparent;                      /* the caller's; NULL: none */
    uint64_t columns_of_tiles, rows_of_tiles, band_rows; /* of tiles */
    uint64_t next;                                       /* the first row of tiles that no band has yet */
    uint16_t *counts;                                    /* a band's */
    uint8_t *threads;                                    /* the same for its threads, or NULL */
    struct band band[2];
    uint64_t queue_ns, run_ns; /* of all that have been read */
    unsigned current;          /* the band that is read */
    bool given;                /* its rows are with the caller */
    uint64_t done;             /* tiles, of the bands before it */
    pthread_mutex_t mutex;
    unsigned refs; /* the caller's, and one an opening */
    bool dropped;
    tilery_stream_notify_fn *notify; /* who waits for the current band's opening; NULL: nobody */
    void *notify_arg;
};

static inline uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Begins the next band, where there is one. */
void band_begin(struct bands *bands, struct band *band);

/* Begins it anew; the same counts come of it. */
void band_begin_again(struct band *band);

/* Ends its run, or its opening, by the state that it was found in. */
void band_drop(struct band *band, enum band_state state);

/* Gives a reference back. */
void bands_leave(struct bands *bands);

#endif
