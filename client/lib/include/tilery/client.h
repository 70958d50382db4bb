/*
 * libtilery: the client of a Tilery server.
 *
 * A client holds the connections to one or more servers and may be shared by any number of threads. Every
 * call is answered, failed or timed out, after eleven minutes where the caller gave no time. Memory that the
 * library returns belongs to the caller and ends with the function that its constructor names; the *_free
 * functions take NULL.
 */
#ifndef TILERY_CLIENT_H
#define TILERY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TILERY_API __attribute__((visibility("default")))
#define TILERY_MUST_USE __attribute__((warn_unused_result))

/* gRPC's canonical codes: https://grpc.io/docs/guides/status-codes/ */
enum tilery_status {
    TILERY_OK = 0,
    TILERY_CANCELLED = 1,
    TILERY_UNKNOWN = 2,
    TILERY_INVALID_ARGUMENT = 3,
    TILERY_DEADLINE_EXCEEDED = 4,
    TILERY_NOT_FOUND = 5,
    TILERY_ALREADY_EXISTS = 6,
    TILERY_PERMISSION_DENIED = 7,
    TILERY_RESOURCE_EXHAUSTED = 8,
    TILERY_FAILED_PRECONDITION = 9,
    TILERY_ABORTED = 10,
    TILERY_OUT_OF_RANGE = 11,
    TILERY_UNIMPLEMENTED = 12,
    TILERY_INTERNAL = 13,
    TILERY_UNAVAILABLE = 14,
    TILERY_DATA_LOSS = 15,
    TILERY_UNAUTHENTICATED = 16
};

/* "INVALID_ARGUMENT" and so on; the HTTP status; the exit status of a program that ends because of it. */
TILERY_API const char *tilery_status_name(enum tilery_status status);
TILERY_API unsigned tilery_status_http(enum tilery_status status);
TILERY_API int tilery_status_exit(enum tilery_status status);

/* The library's version, "0.1.0". */
TILERY_API const char *tilery_version(void);

/* What went wrong. The message is for a person: one line that names the field, the value and the range. */
struct tilery_error {
    enum tilery_status status;
    uint64_t retry_after_ms; /* 0: nothing is known of when to try again */
    char message[320];
};

/* ---- Clients ---- */

typedef struct tilery_client tilery_client;

/* One attempt of a call, as it ended. */
struct tilery_attempt {
    const char *method; /* "tilery.v1.TileCompute/Compute" */
    const char *server; /* its address; NULL: none could be asked, of several */
    unsigned number; /* 1: the call's first; 0 where no server was asked, as none that could be is connected;
                      * of that, a stream tells when it is opened alone */
    uint64_t ns;     /* from its start to its end */
    enum tilery_status status;
    bool again;        /* another one follows, */
    uint64_t pause_ms; /* after so long */
};

/* Told of each attempt of each call, on a thread of the library or the caller's: it may be told of several
 * calls at once, must not wait and must not call the library. What it is told holds until it returns. */
typedef void tilery_attempt_fn(void *arg, const struct tilery_attempt *attempt);

/* All zero means all defaults. */
struct tilery_client_options {
    const char *server;          /* up to 64 nng URLs, commas between; NULL: "tcp://127.0.0.1:5570" */
    uint64_t connect_timeout_ms; /* how long a call waits for a first connection; 0: 5,000 */
    unsigned max_attempts;       /* of one call, 1 to 100; 1: there are no retries; 0: 5 */
    /* PEM files for tls+tcp://, read when the client is opened. tls_ca verifies the server and is needed;
     * tls_cert and tls_key, together, show the server who the client is, where it asks. */
    const char *tls_ca, *tls_cert, *tls_key;
    const char *tls_server_name; /* a DNS name in the server's certificate; NULL: the URL's host */
    /* What a server may want to be shown: 16 to 4,096 printable characters; or the file whose first line they
     * are, which is read when the client is opened. tilery_client_set_token changes it. */
    const char *token, *token_file;
    bool no_pauses;                /* try again at once, at another server, or not at all */
    tilery_attempt_fn *on_attempt; /* NULL: nobody is told */
    void *on_attempt_arg;          /* outlives the client */
};

/*
 * Starts to connect to every server and returns. A connection is renewed whenever it is lost, and also, as
 * nng may have given it up, where there has been none for 5 s, then for 10, 20 and 40, and over inproc://
 * where nothing has ever come: not even that a call's time is up, nor, within 5 s, an answer to a
 * Health/Check of the library's own. INVALID_ARGUMENT when a URL is none, or another option cannot be used.
 * Ends with tilery_client_close.
 *
 * A call goes to one of the connected servers, in turn; one that said UNAVAILABLE, or nothing by the end of a
 * call's time, is passed over for a while, 100 ms to 5 s, where another serves. Calls that wait for the first
 * connection all take that one, as with gRPC's round_robin: they do not wait for others. Where none is
 * connected, and the first attempts are over, the call is UNAVAILABLE at once, or, with wait_for_ready,
 * DEADLINE_EXCEEDED when its time is up.
 *
 * A computation, and the opening of a stream, that ends as UNAVAILABLE or RESOURCE_EXHAUSTED is sent again:
 * at once where another server can take it, then after a random pause of up to 50 ms, 100 ms, 200 ms and so
 * on, or the server's retry_after_ms where that is longer; as long as max_attempts and the call's timeout
 * allow, and no_pauses does. Each attempt has the caller's request_id, or one of its own; those
 * to open a stream share one. The server may still know it from an attempt whose connection was lost:
 * ALREADY_EXISTS is then tried again, too, and UNAVAILABLE in the end where the caller gave no request_id.
 * tilery_cancel ends the attempts.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_client_open(const struct tilery_client_options *options,
                                                                 tilery_client **out,
                                                                 struct tilery_error *error);

/*
 * Shows servers another token from now on: the given one, or the first line of that file, where the other is
 * NULL, or none where both are. It goes with what is sent later, further attempts of calls under way and the
 * rest of open streams included: servers are to know it before, or calls and streams under way fail.
 * INVALID_ARGUMENT, as of the options of these names, and RESOURCE_EXHAUSTED:
 * the token is what it was.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_client_set_token(tilery_client *client,
                                                                      const char *token,
                                                                      const char *token_file,
                                                                      struct tilery_error *error);

/* Calls under way end as CANCELLED before it returns, and so do streams, which are still to be closed or
 * dropped; their runs, and those of streams that have been dropped, are cancelled first, within a second.
 * Calls fail from then on: for a client that other threads may still call, before they are stopped. Not to be
 * called from a callback. */
TILERY_API void tilery_client_stop(tilery_client *client);

/* Ends the connections, after tilery_client_stop or as it does. No call may be begun meanwhile. Not to be
 * called from a callback. NULL is fine. */
TILERY_API void tilery_client_close(tilery_client *client);

/* ---- Requests ---- */

enum tilery_mode { TILERY_MODE_CONCURRENT = 1, TILERY_MODE_SEQUENTIAL = 2 };

/* How tasks come to threads. */
enum tilery_schedule {
    TILERY_SCHEDULE_STATIC =
        1, /* thread k gets the k-th run of ceil(tiles / num_threads) tasks, as documented */
    TILERY_SCHEDULE_CYCLIC = 2,  /* thread k gets tasks k, k + num_threads, ... */
    TILERY_SCHEDULE_DYNAMIC = 3, /* the next task goes to the next free thread */
    TILERY_SCHEDULE_GUIDED = 4,  /* as dynamic, in shrinking blocks */
    TILERY_SCHEDULE_STEALING =
        5 /* static to begin with; an idle thread takes half of the fullest one's rest */
};

/* "static" and so on; "" for a number that is no schedule. */
TILERY_API const char *tilery_schedule_name(enum tilery_schedule schedule);

/*
 * The part of the complex plane that the image shows: pixel (x, y) of a width x height image stands for
 * c = (x / width) * re_span + re_min + i * ((y / height) * im_span + im_min). Finite; the spans above 0.
 */
struct tilery_region {
    double re_min, im_min, re_span, im_span;
};

/* A computation. Start from tilery_compute_request_init; the server checks every value. */
struct tilery_compute_request {
    uint64_t width, height;  /* pixels, 1 to 65,536 */
    uint64_t tile_w, tile_h; /* pixels, 1 to 65,536; at most 1,048,576 tiles in all */
    uint64_t max_iter;       /* 1 to 65,535 */
    uint64_t time_limit_ms;  /* 0 to 600,000; looked at before each tile, 0 starts none */
    uint64_t num_threads;    /* 1 to 256; ignored in sequential mode */
    enum tilery_mode mode;
    enum tilery_schedule schedule;
    const char *kernel; /* "auto" or a name that tilery_info lists; NULL: "auto" */
    struct tilery_region region;
    uint64_t first_task; /* a range of the image's tasks */
    uint64_t task_count; /* 0: to the last task */
};

/* The documented defaults: 800 x 600 in 64 x 64 tiles, 256 iterations, 2,000 ms, 4 threads, concurrent. */
TILERY_API void tilery_compute_request_init(struct tilery_compute_request *request);

/*
 * Sets a field from text, by its name in the schema: whole numbers, "mode" and "schedule" by their lower-case
 * names, "region" as re_min,im_min,re_span,im_span, and "kernel", whose text stays the caller's, outlives the
 * request, and is checked by the server. INVALID_ARGUMENT names field, value and range; NOT_FOUND: there is
 * no such field.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_compute_request_set(
    struct tilery_compute_request *request, const char *field, const char *value, struct tilery_error *error);

/* All zero means all defaults. */
struct tilery_call_options {
    /* The whole call, waiting included; 0: 660,000. The server's own word that it is over has 25 ms more. */
    uint64_t timeout_ms;
    const char *request_id; /* 1 to 64 printable characters; NULL: 128 random bits in hex */
    /* For the server's log: as in https://www.w3.org/TR/trace-context/. It ignores one of another shape.
     * NULL: none. */
    const char *traceparent;
    bool wait_for_ready; /* where no server is connected, wait for one until the timeout: gRPC's term */
    /* Of a stream, until a server has taken it: where that takes longer, it is not opened. 0: as long as
     * timeout_ms. */
    uint64_t open_timeout_ms;
};

/* A request_id of its own: 128 random bits in hex. Any thread. */
TILERY_API void tilery_random_id(char id[33]);

/* ---- Results ---- */

/* One finished tile. */
struct tilery_record {
    uint32_t task_id, thread_id;
    uint32_t tile_x, tile_y, tile_w,
        tile_h; /* pixels; the size is nominal, also for a tile clipped by the edge */
    uint64_t start_time_ms, duration_ms; /* since the run began; whole milliseconds, cut */
    uint64_t pixels_computed;            /* tile_w * tile_h */
    uint64_t start_time_ns, duration_ns;
};

struct tilery_thread {
    uint32_t thread_id;
    uint64_t busy_ns, tiles;
};

struct tilery_summary {
    uint64_t wall_ns;
    double imbalance;            /* busiest thread / mean over threads; 0 when no tile was done */
    uint64_t pixels, iterations; /* really computed; the sum of all escape counts */
    uint64_t tiles_planned, tiles_done;
    bool time_limited; /* tiles were left undone because of time_limit_ms */
    enum tilery_schedule schedule;
    const char *kernel;        /* the one that ran; belongs to the result */
    size_t threads;            /* for tilery_result_thread */
    uint64_t queue_ns, run_ns; /* on the server: waiting for threads, working */
};

typedef struct tilery_result tilery_result;

/* Records are stably sorted by start_time_ms, finishing order among equals. i is below the count. */
TILERY_API size_t tilery_result_count(const tilery_result *result);
TILERY_API struct tilery_record tilery_result_record(const tilery_result *result, size_t i);
TILERY_API struct tilery_summary tilery_result_summary(const tilery_result *result);
TILERY_API struct tilery_thread tilery_result_thread(const tilery_result *result, size_t i);

/* How much memory it takes, in bytes; and how much a computation takes here at most, from its call until its
 * result is there. 0 for a request that is outside the limits, as no server takes it. */
TILERY_API size_t tilery_result_bytes(const tilery_result *result);
TILERY_API size_t tilery_compute_request_bytes(const struct tilery_compute_request *request);

TILERY_API void tilery_result_free(tilery_result *result);

/* ---- Calls ---- */

/* Runs a computation and waits for it. options may be NULL. *out ends with tilery_result_free. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_compute(tilery_client *client,
                                                             const struct tilery_compute_request *request,
                                                             const struct tilery_call_options *options,
                                                             tilery_result **out, struct tilery_error *error);

/*
 * Told once how a call ended: the result, the callee's to free, or NULL and the error. It runs on a thread of
 * the library, which it must not hold up: it may start calls but not wait for one.
 */
typedef void tilery_compute_fn(void *arg, tilery_result *result, const struct tilery_error *error);

/* Runs a computation and returns at once. done is called later, or never where this fails. options may be
 * NULL. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_compute_async(
    tilery_client *client, const struct tilery_compute_request *request,
    const struct tilery_call_options *options, tilery_compute_fn *done, void *arg,
    struct tilery_error *error);

/* ---- Servers ---- */

/* OK when a server, the next in turn, serves; UNAVAILABLE while it drains, or when none is connected. Not
 * tried again. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_health(tilery_client *client,
                                                            const struct tilery_call_options *options,
                                                            struct tilery_error *error);

/* The same of one service of the server's, "tilery.v1.TileCompute"; "": of the server. NOT_FOUND when it has
 * no such service. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_health_service(tilery_client *client,
                                                                    const char *service,
                                                                    const struct tilery_call_options *options,
                                                                    struct tilery_error *error);

/* Told once how an asynchronous health check ended; error is NULL when the server serves. As
 * tilery_compute_fn. */
typedef void tilery_health_fn(void *arg, const struct tilery_error *error);

TILERY_API TILERY_MUST_USE enum tilery_status tilery_health_async(tilery_client *client,
                                                                  const struct tilery_call_options *options,
                                                                  tilery_health_fn *done, void *arg,
                                                                  struct tilery_error *error);

/* The same, but UNAUTHENTICATED or PERMISSION_DENIED where the server that serves does not let this client
 * call, which a health check alone does not tell. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_ready_async(tilery_client *client,
                                                                 const struct tilery_call_options *options,
                                                                 tilery_health_fn *done, void *arg,
                                                                 struct tilery_error *error);

/* What a server says of itself. Strings belong to it. */
struct tilery_info {
    const char *version;
    const char *const *kernels; /* what its machine can run, fastest first */
    size_t kernel_count;
    const char *const *schedules;
    size_t schedule_count;
    uint64_t max_width, max_height, max_tiles, max_threads, max_time_limit_ms;
    uint64_t max_tile_bytes, max_request_bytes, max_reply_bytes;
    uint32_t cpus;
    uint64_t uptime_ns;
    uint64_t max_timeout_ms; /* of a request, also where it gives none; 0: the server does not tell */
};

/* *out ends with tilery_info_free. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_info(tilery_client *client,
                                                          const struct tilery_call_options *options,
                                                          struct tilery_info **out,
                                                          struct tilery_error *error);
TILERY_API void tilery_info_free(struct tilery_info *info);

/*
 * The server's schema: a serialized google.protobuf.FileDescriptorSet of *size bytes, which
 * `protoc --descriptor_set_in` reads. *out ends with free.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_describe(tilery_client *client,
                                                              const struct tilery_call_options *options,
                                                              unsigned char **out, size_t *size,
                                                              struct tilery_error *error);

/* Cancels a Compute or a stream by its request_id, whoever sent it, and all streams whose ids go on behind it
 * with a slash. *found tells whether a server knew of it:
 * all that are connected are asked at once, and again while a call of this client's of that name is on its
 * way to one. What a server has not ended two seconds after that ends without it: a call of this client's
 * when it is cancelled once more, a stream by itself, as CANCELLED. */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_cancel(tilery_client *client, const char *request_id,
                                                            const struct tilery_call_options *options,
                                                            bool *found, struct tilery_error *error);

/* Told once how an asynchronous cancel ended: found, or error where no server answered, else NULL. As
 * tilery_compute_fn. */
typedef void tilery_cancel_fn(void *arg, bool found, const struct tilery_error *error);

/*
 * The same without waiting. done, which may be NULL, is told once, perhaps before this returns, or never
 * where this fails. The cancelled call ends on its own, and as it would have where its reply was on the way.
 */
TILERY_API TILERY_MUST_USE enum tilery_status tilery_cancel_async(tilery_client *client,
                                                                  const char *request_id,
                                                                  const struct tilery_call_options *options,
                                                                  tilery_cancel_fn *done, void *arg,
                                                                  struct tilery_error *error);

#ifdef __cplusplus
}
#endif

#include <tilery/stats.h>
#include <tilery/stream.h>

#endif
