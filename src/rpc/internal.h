#ifndef TILERY_RPC_INTERNAL_H
#define TILERY_RPC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <nng/nng.h>

#include "rpc/server.h"
#include "wire/arena.h"
#include "wire/envelope.h"

/* A connection. In the server's table from before its first message until it is gone; freed with its last
 * call. */
struct peer {
    struct peer *next;
    uint32_t id;        /* of the nng pipe */
    char name[56];      /* who it is, for rpc_ended */
    unsigned in_flight; /* calls received and not yet answered */
    bool counted;       /* nng counts what it has written; not for inproc:// */
    uint64_t replies;   /* handed to nng for this connection */
    unsigned unsent;    /* replies that nng has not taken yet, as the peer does not read the ones before */
    size_t held;        /* bytes of the one that nng took last, until it is known to be written */
    uint64_t moved_ns;  /* when the peer was last seen to take something, while it has replies to take */
    uint64_t taken, replies_seen; /* by then: see wire_progress */
    int hint;                     /* where its socket is */
    bool ignored;                 /* what still comes from it is dropped */
    bool hung_up;                 /* and it is being disconnected */
    bool gone;
};

enum call_state {
    CALL_SPARE,     /* idle, and not armed */
    CALL_RECEIVING, /* armed: nng owns it until a request comes */
    CALL_HANDLING,  /* in the handler */
    CALL_DEFERRED,  /* the handler will end it later */
    CALL_SENDING,   /* ended: nng owns the reply, or is to be given it */
    CALL_RESTING,   /* ended and sent, but a cancel hook still looks at it */
};

/* One REP context and the request it has in hand; reused request after request. */
struct rpc_call {
    struct rpc_server *server;
    nng_ctx ctx;
    nng_aio *aio;
    struct wire_arena arena;
    struct wire_request request;
    nng_msg *frame; /* the request's, for the reply of a handler that answers at once; NULL: gone */
    size_t method, request_bytes;               /* for rpc_ended */
    uint64_t arrived_ns, deadline_ns, ended_ns; /* of CLOCK_MONOTONIC */
    uint64_t queue_ns, run_ns;
    bool has_items;
    uint64_t items;
    const char *target;
    bool surplus; /* its connection has max_calls in hand without it */
    /* The rest is guarded by the server's mutex. */
    enum call_state state;
    struct rpc_call *next; /* among the spare ones, or in the outbox */
    bool awaited;          /* by whoever stops the server */
    struct peer *peer;
    unsigned pins;   /* cancel hooks running, and cuts of its send */
    size_t unpacked; /* bytes of its arena that count against the server's budget */
    size_t reserved; /* bytes that its reply takes, or may take; 0 for a small one */
    rpc_cancel_fn *hook;
    void *hook_arg;
};

#define PEER_BUCKETS 256u

struct rpc_server {
    struct rpc_server_options options;
    const struct rpc_service *services;
    size_t service_count, method_count;
    void *context;
    nng_socket socket;
    int locks[RPC_MAX_LISTENERS];                      /* of their paths, or -1 */
    uint64_t refused[RPC_MAX_LISTENERS][RPC_REFUSALS]; /* the pulse's: what was told of */
    nng_aio *pulse;                                    /* NULL: none listens for TLS */
    nng_pipe *ended; /* the pulse's: whose connections had ended when it last looked; may be NULL */
    size_t ended_count;
    struct strangers { /* the pulse's: who was connected and no peer when it last looked for them */
        struct stranger *list;
        size_t count;
    } strangers;
    unsigned pulses;
    atomic_int tls_ports[RPC_MAX_LISTENERS]; /* of the listeners for TLS; 0: it is none */
    bool open, timer_started;
    bool stuck;         /* the socket could not be closed */
    atomic_uint inside; /* threads that use a context, or the server, after their call has ended */
    pthread_t timer;
    pthread_mutex_t mutex; /* guards all below; never held while calling a handler, a hook or nng */
    pthread_cond_t timer_wake, settled;
    uint64_t timer_at; /* when the timer thread looks next */
    bool timer_end;
    unsigned listeners; /* that serve, and nng's numbers of them */
    uint64_t listener_ids[RPC_MAX_LISTENERS];
    struct peer *peers[PEER_BUCKETS];
    unsigned connections;
    uint64_t surplus,
        surplus_told_ns;    /* connections too many that nobody was told of, and when somebody was */
    bool closing;           /* no further connection is taken */
    unsigned in_hand;       /* calls that have a request */
    unsigned awaited;       /* of those, the ones that were so when the server was told to stop */
    uint64_t request_bytes; /* unpacked, of all */
    uint64_t reply_bytes;   /* reserved and held, of all */
    uint64_t watch_at; /* when the connections with replies on their way are looked at; UINT64_MAX: none */
    unsigned crowded_looks; /* the last ones, at which nearly all contexts were in hand */
    uint64_t refresh_at;    /* not before is nng asked again for what is written */
    uint32_t patience_ms;   /* for how long a connection need not take anything */
    bool stopping;
    struct rpc_call *calls;
    struct rpc_call *spares; /* the last used first */
    unsigned armed;          /* calls that are RECEIVING */
    struct outbox {
        struct rpc_call *first, *last; /* replies that nng has yet to be given */
        bool busy;                     /* a thread is at it */
    } outbox;
};

/* pulse.c: looks twice a second for connections that have ended, where the URL is one for TLS. False: no
 * memory. */
bool rpc_pulse_start(struct rpc_server *server, const char *url);
void rpc_pulse_stop(struct rpc_server *server);

/* strangers.c: for the pulse, with the pipes of all connections; and after it. */
void rpc_strangers_look(struct rpc_server *server, const nng_pipe *pipes, size_t count);
void rpc_strangers_forget(struct rpc_server *server);

/* refusals.c: for the pulse, and after it. */
void rpc_refusals_look(struct rpc_server *server);
void rpc_refusals_surplus(struct rpc_server *server, nng_pipe pipe); /* for one too many */

/* contexts.c: waits for a request with it, or keeps it as a spare. */
void rpc_call_arm(struct rpc_call *call);
/* The call has ended: it is armed again, here or by the last of those that still look at it. The mutex is
 * held, and let go. */
void rpc_call_rest(struct rpc_call *call);
/* One of those no longer does. The mutex is held, and may be let go for a while; who calls is known to the
 * server. */
void rpc_call_unpin(struct rpc_call *call);
/* Of the spare ones, what is to be armed in the place of one that got a request, by rpc_call_receive, without
 * the mutex. NULL: none. The mutex is held. */
struct rpc_call *rpc_take_spare(struct rpc_server *server);
void rpc_call_receive(struct rpc_call *call);

/* outbox.c: has that frame given to nng, by this thread or by one that is at it. From here on the call is not
 * the handler's any more. */
void rpc_call_send(struct rpc_call *call, nng_msg *msg);

/* call.c */
enum wire_status rpc_call_open(struct rpc_server *server, struct rpc_call *call);
void rpc_call_stop(struct rpc_call *call);
void rpc_call_close(struct rpc_call *call);

/* Nobody needs the request's frame any more. */
void rpc_call_drop_frame(struct rpc_call *call);

/* For a call that cannot even be told of its failure: the connection goes, so that the caller does not wait
 * for ever. */
void rpc_call_drop(struct rpc_call *call);

/* Calls the hooks of all deferred calls that are of that connection, or, with NULL, whose deadline has
 * passed. */
void rpc_cancel_calls(struct rpc_server *server, const struct peer *peer);

/* Gives up the replies that nng has not taken yet for that connection. */
void rpc_cancel_sends(struct rpc_server *server, nng_pipe pipe);

/* dispatch.c: finds the method and hands the request over to its handler, or fails the call: with `bad`,
 * unless it is NULL, for an envelope that breaks the rules. */
void rpc_dispatch(struct rpc_call *call, const struct wire_error *bad);

/* Its first half, which touches no socket: looks whether the caller may, and reads call->request by
 * call->server's services. */
WIRE_MUST_USE enum wire_status rpc_decode(struct rpc_call *call, rpc_handler **handler,
                                          const ProtobufCMessage **message, struct wire_error *error);

/* listen.c: once the sockets behind the paths are closed. */
void rpc_unlock_paths(struct rpc_server *server);

/* peers.c */
void rpc_peer_event(nng_pipe pipe, nng_pipe_ev event, void *server);
struct peer *rpc_peer_find(struct rpc_server *server, nng_pipe pipe); /* the mutex is held */
/* Who sent the call's request. NULL when that is dropped: the connection has gone, or is to go. The mutex is
 * held. */
struct peer *rpc_peer_admit(struct rpc_call *call, nng_pipe pipe);
void rpc_peer_release(struct peer *peer);                      /* the mutex is held */
void rpc_peer_reset(struct rpc_server *server, nng_pipe pipe); /* for one that breaks the rules */
void rpc_peers_disconnect(struct rpc_server *server);          /* all, and every one to come */

/* replies.c. The mutex is held for these five. One more context is in hand: they may be nearly all. The
 * others follow a reply to nng and out of it. */
void rpc_replies_crowd(struct rpc_server *server);
void rpc_reply_started(struct rpc_call *call, size_t size);
void rpc_reply_ended(struct rpc_call *call, bool taken);
void rpc_reply_release(struct rpc_call *call); /* what the call still has reserved */
void rpc_reply_written(struct rpc_server *server, struct peer *peer);

/* What nng's statistic has under that name, or NULL. */
nng_stat *rpc_stat_named(nng_stat *stat, const char *name);

/* Whether all that nng has taken is written. */
bool rpc_replies_written(struct rpc_server *server);

/* Asks nng what is written by now, unless it was asked just before: then false. */
bool rpc_replies_refresh(struct rpc_server *server);

/* The server stops: nobody is waited for longer. The mutex is held. */
void rpc_replies_hurry(struct rpc_server *server, uint32_t linger_ms);

/* The timer's: cuts the connections that have not taken anything for too long, when it is time to look. */
void rpc_replies_watch(struct rpc_server *server);

#endif
