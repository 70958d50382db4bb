/*
 * Statistics: what a server has done and does. <tilery/client.h> includes this.
 */
#ifndef TILERY_STATS_H
#define TILERY_STATS_H

#include <tilery/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How often each stretch of time was met. counts[i] is of times above bounds_ns[i - 1] and up to bounds_ns[i]
 * of struct tilery_stats; counts[bound_count], the last one, of times above every bound.
 */
struct tilery_histogram {
    const uint64_t *counts;
    uint64_t count, sum_ns; /* of all */
};

struct tilery_code_count {
    enum tilery_status code;
    uint64_t count;
};

struct tilery_method_stats {
    const char *method; /* "tilery.v1.TileCompute/Compute"; "unknown": all that are no method */
    const struct tilery_code_count
        *codes; /* of the calls that have ended; codes that never came are left out */
    size_t code_count;
    struct tilery_histogram total; /* from a call's arrival until its reply was packed */
    struct tilery_histogram queue; /* Compute and OpenStream: how long their runs waited for threads, */
    struct tilery_histogram run;   /* and how long they worked; when the run ends */
};

/* What a server has done and does. All of it belongs to the statistics. */
struct tilery_stats {
    const struct tilery_method_stats *methods; /* every method of the server, and "unknown" */
    size_t method_count;
    const uint64_t *bounds_ns; /* of all histograms, ascending */
    size_t bound_count;
    uint64_t uptime_ns;

    /* What is so now; this call and its connection are counted. */
    uint64_t connections;
    uint64_t calls; /* in hand: waiting, at work or being answered */
    uint64_t runs_running, runs_queued;
    uint64_t threads_computing; /* those that wait for a stream's reader are not */
    uint64_t threads_held;      /* by the runs at work, as they count against the limit */
    uint64_t threads_limit;     /* of all runs side by side */
    uint64_t streams;           /* open ones */
    uint64_t window_bytes;      /* that the streams' windows may take */
    bool draining;

    /* Since the server started. Tiles, pixels, iterations and records are counted when their run ends. */
    uint64_t tiles, pixels, iterations;
    uint64_t records;                    /* of Computes that came to their end */
    uint64_t bytes_received, bytes_sent; /* of requests, of replies */
    uint64_t dropped_expired;            /* calls whose time was up before anything was computed for them */
    uint64_t cancelled; /* runs ended by a cancel, for want of a caller or by a stream's lease */

    uint64_t cpus; /* that its threads may use, under the container's quota; 0: an older server */
};

/* *out ends with tilery_stats_free. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stats(tilery_client *client,
                                                           const struct tilery_call_options *options,
                                                           struct tilery_stats **out,
                                                           struct tilery_error *error);
TILERY_API void tilery_stats_free(struct tilery_stats *stats);

/* What one of a client's servers said of itself. */
struct tilery_server_stats {
    const char *server;         /* its address, as it was given */
    struct tilery_stats *stats; /* NULL: it gave none, */
    struct tilery_error error;  /* and why */
};

/* Of every server that the client was given, in that order; its own, whatever becomes of the client. Ends
 * with tilery_stats_list_free. i is below the count. */
typedef struct tilery_stats_list tilery_stats_list;
TILERY_API size_t tilery_stats_list_count(const tilery_stats_list *list);
TILERY_API const struct tilery_server_stats *tilery_stats_list_at(const tilery_stats_list *list, size_t i);
TILERY_API void tilery_stats_list_free(tilery_stats_list *list);

/* Told once, when every server has answered or failed; the list is the callee's to free. As
 * tilery_compute_fn, but it may be called before tilery_stats_all_async has returned, on its thread. */
typedef void tilery_stats_fn(void *arg, tilery_stats_list *list);

/* Asks every server at once, each without another attempt. options apply to each, and may be NULL. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_stats_all_async(
    tilery_client *client, const struct tilery_call_options *options, tilery_stats_fn *done, void *arg,
    struct tilery_error *error);

#ifdef __cplusplus
}
#endif

#endif
