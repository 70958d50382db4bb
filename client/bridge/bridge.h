#ifndef TILERY_BRIDGE_BRIDGE_H
#define TILERY_BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tilery/client.h"

/*
 * The HTTP bridge: libmicrohttpd in front, libtilery behind. A few threads hold all connections: a connection
 * whose request is computed is suspended, and resumed by the call's callback.
 */
struct bridge;

/* An answer that is sent, or given up. All that it points to is gone when on_answered returns. */
struct bridge_answered {
    const char *method, *path; /* as they came; the path decoded, at most 256 bytes and one more of it */
    unsigned http;             /* the status; 499: the client left before there was one */
    uint64_t bytes;            /* of the body, as far as it was taken from us */
    bool cut_short;            /* it was not taken whole: the client left, or did not read on */
    const char *message;       /* of an error, as the client was told; or "" */
    const char *request_id, *peer, *traceparent;
    bool computed;
    uint64_t queue_ns, run_ns; /* where it was computed */
    uint64_t total_ns;         /* from the request's headers to its answer's end */
};

/* On the connection's thread, which it must not hold up. */
typedef void bridge_answered_fn(void *arg, const struct bridge_answered *answered);

struct token_file;

struct bridge_options {
    const char *listen;                 /* ADDR:PORT, [ADDR6]:PORT; numeric */
    tilery_client *client;              /* the caller's; stopped with the bridge, which outlives it */
    const char *const *allowed_origins; /* besides loopback ones */
    size_t allowed_count;
    bool check_host;                  /* only localhost, IP addresses and these may stand in Host */
    const char *const *allowed_hosts; /* without a port */
    size_t host_count;
    struct token_file *token;        /* the caller's; what computes wants it; NULL: none */
    uint64_t reply_budget_bytes;     /* what large answers that are not sent yet may take together */
    unsigned max_connections;        /* further ones are told to try again, or wait to be taken */
    unsigned surplus_connections;    /* which are taken beyond, to be told so */
    unsigned max_per_address;        /* connections from one address, others are closed; 0: no limit */
    unsigned connection_timeout_s;   /* for a whole request to come, and for an answer to be read on */
    uint64_t backend_timeout_ms;     /* for a server's answer, beside the time limit of what it computes */
    uint64_t heartbeat_ms;           /* of a stream that sends nothing else */
    uint64_t lease_ms;               /* for a stream's client to come again */
    bridge_answered_fn *on_answered; /* NULL: nobody is told */
    void *on_answered_arg;
};

/* Serves when it returns. Ends with bridge_free. */
enum tilery_status bridge_start(const struct bridge_options *options, struct bridge **out,
                                struct tilery_error *error);

/* Whether it is an origin as browsers send them, but "null": scheme, host and perhaps a port. */
bool bridge_origin_is_valid(const char *origin);

/* "http://127.0.0.1:8405", with the real port. */
const char *bridge_url(const struct bridge *bridge);

/* Waits until all requests in hand are answered, and what connections that stood ask meanwhile, at most
 * grace_ms. Later ones are told that it is shutting down, and it is not ready; then it takes no more
 * connections. */
void bridge_drain(struct bridge *bridge, uint64_t grace_ms);

/* After it has drained: stops the client, cuts off who is left and closes. NULL is fine. */
void bridge_free(struct bridge *bridge);

#endif
