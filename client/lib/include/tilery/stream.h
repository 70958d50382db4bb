/*
 * Streams: a run's tiles with their counts, as they are finished. <tilery/client.h> includes this.
 */
#ifndef TILERY_STREAM_H
#define TILERY_STREAM_H

#include <tilery/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stream is for one thread at a time. */
typedef struct tilery_stream tilery_stream;

struct tilery_tile {
    uint32_t task_id, thread_id;
    uint32_t tile_x, tile_y, tile_w, tile_h; /* pixels; the size is nominal */
    uint32_t columns, rows;                  /* the tile clipped to the image */
    uint64_t start_time_ms, duration_ms;     /* since the run began; whole milliseconds, cut */
    uint64_t start_time_ns, duration_ns;
    const uint16_t *counts; /* escape counts, row-major, columns * rows of them */
    uint32_t run; /* 0; 1 and so on where the rest is computed anew: the times are since that run began */
};

/*
 * Starts a run and returns; the tiles are then fetched with tilery_stream_next, the next ones while the
 * caller looks at those it has. The server computes no further than a few tiles ahead of its reader. options
 * may be NULL; their timeout is for the whole stream, from now to its last tile, wherever it is computed: the
 * server stops the run, too. Where it is 0 the server's maximum bounds each run, and an opening fails after
 * 660,000 ms. *out ends with tilery_stream_close or tilery_stream_drop, which may be called after
 * tilery_client_close, too.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stream_open(tilery_client *client,
                                                                 const struct tilery_compute_request *request,
                                                                 const struct tilery_call_options *options,
                                                                 tilery_stream **out,
                                                                 struct tilery_error *error);

/*
 * Waits for the next tile, in finishing order; *out is NULL when there is none any more. The tile is the
 * stream's and holds until the next call of this or tilery_stream_try_next. After an error the stream gives
 * nothing but that error.
 *
 * A connection that is lost is waited for, as long as the server may keep the stream, which is for its lease,
 * 10 s. When the server has lost the stream, or cannot be reached while another one serves, the rest is
 * computed anew, elsewhere or there; where max_attempts is 1 it is not, and the stream ends as UNAVAILABLE
 * when the lease is over, as it does where no reply arrives of a server that still has it. Either way no tile
 * is lost or comes twice; the times of later tiles, which tell by their run, and the summary are then of the
 * new run.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stream_next(tilery_stream *stream,
                                                                 const struct tilery_tile **out,
                                                                 struct tilery_error *error);

/* For a display of progress, and for tilery_cancel. */
TILERY_API uint64_t tilery_stream_tiles_planned(const tilery_stream *stream);
TILERY_API uint64_t tilery_stream_tiles_received(const tilery_stream *stream);
TILERY_API const char *tilery_stream_id(const tilery_stream *stream);

/* After the last tile; all zero before, and where a server was lost with nothing but the summary to send. It
 * belongs to the stream. */
TILERY_API struct tilery_summary tilery_stream_summary(const tilery_stream *stream);
TILERY_API struct tilery_thread tilery_stream_thread(const tilery_stream *stream, size_t i);

/* Ends the run too, where it has not come to its end, and waits until the server has heard of it, or for some
 * seconds. No notification comes after it. Not to be called from a callback. NULL is fine. */
TILERY_API void tilery_stream_close(tilery_stream *stream);

/*
 * How long the server is to keep the stream while nobody reads it: so long after the last call of this,
 * tilery_stream_next or tilery_stream_try_next the library renews the stream's lease. 0, as it is at first:
 * no longer than the lease itself, 10 s. A reader that comes back later gets the tiles that had come, and
 * then NOT_FOUND.
 */
TILERY_API void tilery_stream_keep(tilery_stream *stream, uint64_t ms);

/* ---- Without waiting: any number of streams on one thread ---- */

/* Told once how an opening ended: the stream, which is the callee's, or NULL and the error. On a thread of
 * the library, as tilery_compute_fn. */
typedef void tilery_stream_open_fn(void *arg, tilery_stream *stream, const struct tilery_error *error);

/* As tilery_stream_open, but returns at once. done is called later, or never where this fails. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stream_open_async(
    tilery_client *client, const struct tilery_compute_request *request,
    const struct tilery_call_options *options, tilery_stream_open_fn *done, void *arg,
    struct tilery_error *error);

/* As tilery_stream_next, but where that would wait, *ready is false, and *out NULL. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stream_try_next(tilery_stream *stream, bool *ready,
                                                                     const struct tilery_tile **out,
                                                                     struct tilery_error *error);

/* Told that it is time to read, on a thread of the library, which it must not hold up: it may read this
 * stream with tilery_stream_try_next, ask again and drop it. */
typedef void tilery_stream_notify_fn(void *arg);

/*
 * Asks to be told when there is something to read. True: fn is called then, once; until then the stream may
 * be dropped or closed, but not be read or asked. False: there is already, and fn is not called, so that the
 * caller may hold a lock that fn takes. Rarely tilery_stream_try_next finds nothing all the same, where a new
 * run's tiles had come before, or a reply had none: ask again.
 */
TILERY_API TILERY_MUST_USE bool tilery_stream_notify(tilery_stream *stream, tilery_stream_notify_fn *fn,
                                                     void *arg);

/*
 * As tilery_stream_close, but never waits, and may be called from a callback: the run is cancelled in the
 * background. True: fn was asked for and is not called any more. False: none was, or it has been called, or
 * just is, by another thread. NULL is fine.
 */
TILERY_API bool tilery_stream_drop(tilery_stream *stream);

/* ---- With callbacks ---- */

/* Told of a tile, which holds until it returns. False ends the stream, and its run. */
typedef bool tilery_tile_fn(void *arg, const struct tilery_tile *tile);

/* Told how many tiles have come of how many planned: at first none, then after each. */
typedef void tilery_progress_fn(void *arg, uint64_t received, uint64_t planned);

/*
 * A whole stream at once: opens it, tells of each tile, on the calling thread, and closes it. CANCELLED when
 * on_tile returned false. on_progress may be NULL. time_limit_ms may leave tiles undone, with OK.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stream_run(tilery_client *client,
                                                                const struct tilery_compute_request *request,
                                                                const struct tilery_call_options *options,
                                                                tilery_tile_fn *on_tile,
                                                                tilery_progress_fn *on_progress, void *arg,
                                                                struct tilery_error *error);

#ifdef __cplusplus
}
#endif

#endif
