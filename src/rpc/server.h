#ifndef TILERY_RPC_SERVER_H
#define TILERY_RPC_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "rpc/call.h"
#include "wire/envelope.h"
#include "wire/status.h"
#include "wire/tls.h"

/*
 * The server runtime: nng REP contexts, the envelope, dispatch by service descriptor, deadlines, and
 * cancellation when a connection goes away. It knows no method.
 */
struct rpc_server;

/* A call that ends. All that it points to is gone when on_end returns. */
struct rpc_ended {
    size_t method;                      /* its place among the methods of all services, in the table's order;
                                           their number where it is none of them */
    const struct wire_request *request; /* as it came: the strings hold any bytes */
    const char *peer;                   /* "127.0.0.1:43817", or the name of a transport without such */
    enum wire_status status;
    const char *message;       /* "" with OK */
    uint64_t queue_ns, run_ns; /* as rpc_call_set_times was told */
    uint64_t total_ns;         /* from the request's arrival until its reply was packed */
    bool has_items;
    uint64_t items;     /* as rpc_call_set_items was told */
    const char *target; /* as rpc_call_set_target was; NULL: it was not */
    size_t request_bytes, reply_bytes;
};

/* On whichever thread ends the call, without a lock, before the reply is sent: it must not wait. */
typedef void rpc_end_fn(void *arg, const struct rpc_ended *ended);
/*
 * Whether a request may be dispatched; otherwise the error is its answer. On nng's callback threads, several
 * at once, for every request: it does not wait.
 */
typedef enum wire_status rpc_authorize_fn(void *arg, const struct wire_request *request,
                                          struct wire_error *error);

/* A connection that has gone, when its calls have been told. On a thread of nng's, without a lock. */
typedef void rpc_gone_fn(void *arg, uint32_t connection);

#define RPC_MAX_LISTENERS 16

/* Why a connection came to nothing. */
enum rpc_refusal {
    RPC_REFUSED_TLS,      /* the TLS handshake failed */
    RPC_REFUSED_PROTOCOL, /* what came was not nng's */
    RPC_REFUSED_SLOW,     /* the TLS handshake took 10 s */
    RPC_REFUSED_SURPLUS,  /* there were max_connections */
    RPC_REFUSALS
};

/* So many more connections came to nothing at the listener that was the so-many-th to be added, from 0. On a
 * thread of nng's, without a lock, at most twice a second for each why. Of handshakes it is told only where a
 * listener is one for TLS. */
typedef void rpc_refused_fn(void *arg, unsigned listener, enum rpc_refusal why, uint64_t count);

/* All zero is not usable: start from RPC_SERVER_DEFAULTS. */
struct rpc_server_options {
    unsigned contexts;        /* requests in hand at once: those that wait or run, and a reserve, 1 to 4096 */
    unsigned max_connections; /* a further one is closed */
    unsigned max_calls;       /* of one connection at once; more are RESOURCE_EXHAUSTED */
    uint64_t max_timeout_ms;  /* of a request; also where it gives none */
    uint32_t send_timeout_ms; /* a connection that takes nothing of its replies for so long is closed */
    /* What requests in hand may take together, unpacked; those of the usual size are not counted. */
    uint64_t request_budget_bytes;
    /* What large replies may take together, from rpc_call_reserve until they are written; one alone may
     * take more. */
    uint64_t reply_budget_bytes;
    rpc_end_fn *on_end; /* NULL: nobody is told */
    void *on_end_arg;
    rpc_gone_fn *on_gone; /* NULL: nobody is told. Nor is anybody once the server stops. */
    void *on_gone_arg;
    rpc_refused_fn *on_refused; /* NULL: nobody is told */
    void *on_refused_arg;
    struct wire_tls tls;         /* for listeners on tls+tcp://; the strings stay the caller's */
    rpc_authorize_fn *authorize; /* NULL: all requests may */
    void *authorize_arg;
};

#define RPC_SERVER_DEFAULTS                                                  \
    ((struct rpc_server_options){.contexts = 256,                            \
                                 .max_connections = 1024,                    \
                                 .max_calls = 160,                           \
                                 .max_timeout_ms = 660000,                   \
                                 .send_timeout_ms = 5000,                    \
                                 .request_budget_bytes = UINT64_C(64) << 20, \
                                 .reply_budget_bytes = UINT64_C(512) << 20})

/* services is an array of `count`; it and the context stay the caller's. Ends with rpc_server_free. */
WIRE_MUST_USE enum wire_status rpc_server_create(const struct rpc_server_options *options,
                                                 const struct rpc_service *services, size_t count,
                                                 void *context, struct rpc_server **out,
                                                 struct wire_error *error);

/*
 * Listens on an nng URL. Writes the URL with the port really bound to bound, which holds 256 bytes. The file
 * of ipc://PATH is the owner's alone, and PATH.lock keeps a second server from it. INVALID_ARGUMENT: it is no
 * URL, or TLS lacks its files; PERMISSION_DENIED; UNAVAILABLE: the address is taken.
 */
WIRE_MUST_USE enum wire_status rpc_server_listen(struct rpc_server *server, const char *url, char *bound,
                                                 struct wire_error *error);

/*
 * Waits until the calls in hand have ended (by now handlers refuse new work), then up to linger_ms until
 * their replies are written out, and no longer for those that nng has not even taken; then closes all. After
 * it no handler and no hook runs.
 */
void rpc_server_stop(struct rpc_server *server, uint32_t linger_ms);

/* Stops first, without lingering, where that was not done. NULL is fine. */
void rpc_server_free(struct rpc_server *server);

#endif
