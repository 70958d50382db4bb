#ifndef TILERY_FORMAT_BANDS_H
#define TILERY_FORMAT_BANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "tilery/client.h"

/*
 * The counts of a whole image, in bands of tile rows: one stream each, the next one begun when this one is
 * nearly read. A stream's tiles come in finishing order, and a band is given when it is complete; so the rows
 * come from the top on, in bounded memory. Nothing here waits.
 */
struct bands;

/* A band's rows, as wide as the image. They hold until the next is asked for. */
struct bands_rows {
    const uint16_t *counts;
    const uint8_t *threads; /* whose each count is; NULL where they were not asked for */
    uint32_t count;         /* 0: after the last band */
};

/* time_limit_ms is a band's. This one stands for none, being the longest. */
#define BANDS_NO_TIME_LIMIT_MS 600000u

/* How much memory a request's bands take here, in bytes. Width, height and the tiles' are within their
 * limits, as tilery_compute_request_set leaves them. */
uint64_t bands_bytes(const struct tilery_compute_request *request, bool threads);

/* The same for a stream alone, of the whole request. */
uint64_t bands_stream_bytes(const struct tilery_compute_request *request);

/*
 * Begins the first band and returns. The request's kernel outlives the bands, and the client is closed after
 * the last call of theirs but bands_drop. call may be NULL; its texts outlive them, too. Its request_id is
 * the first run's, as the others' begin with it. *out ends with bands_drop.
 */
TILERY_MUST_USE enum tilery_status bands_open(tilery_client *client,
                                              const struct tilery_compute_request *request,
                                              const struct tilery_call_options *call, bool threads,
                                              struct bands **out, struct tilery_error *error);

/* The next band's rows, where it is complete; else *ready is false. An error is the last word. A time limit
 * that left tiles undone is one: DEADLINE_EXCEEDED. */
TILERY_MUST_USE enum tilery_status bands_try_next(struct bands *bands, bool *ready, struct bands_rows *out,
                                                  struct tilery_error *error);

/* As tilery_stream_notify, after bands_try_next that was not ready. It may be told too early: ask again. */
TILERY_MUST_USE bool bands_notify(struct bands *bands, tilery_stream_notify_fn *fn, void *arg);

/* How long the runs of the bands that were given so far waited for threads, and worked, together. */
void bands_times(const struct bands *bands, uint64_t *queue_ns, uint64_t *run_ns);

/* The request_id of the run that bands_try_next waits for: for tilery_cancel, which makes it fail. Holds
 * until the next call of that. */
const char *bands_id(const struct bands *bands);

/* How many of the image's tiles have come, and how many there are: for a display of progress. The first not
 * while fn is to be told. */
uint64_t bands_tiles_received(struct bands *bands);
uint64_t bands_tiles_planned(const struct bands *bands);

/* Ends all that is under way, in the background; not while fn is to be told. NULL is fine. */
void bands_drop(struct bands *bands);

#endif
