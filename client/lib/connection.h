#ifndef TILERY_CLIENT_CONNECTION_H
#define TILERY_CLIENT_CONNECTION_H

/*
 * What connection.c, one server's connection, client.c, the set of them, calls.c, the calls over them,
 * blocking.c, those that are waited for, and pulse.c share.
 *
 * One mutex, the client's, guards all that changes. nng's functions may be called under it, as nng holds no
 * lock that they take while it calls back; callbacks of calls, nng_pipe_close and nng_dialer_close may not.
 */
#include <pthread.h>

#include "internal.h"
#include "secure.h"

/* Of a usual payload, and the trace context behind it. */
#define CALL_SMALL 256u

/* A REQ context, reused call after call. */
struct context {
    struct context *next; /* among the idle */
    nng_ctx ctx;
    bool ended; /* by context_end */
};

struct server {
    tilery_client *client;
    char *url;
    bool nameless; /* its URL has an IP, and nothing else names it */
    nng_socket socket;
    nng_dialer dialer, successor;
    pthread_t dialling; /* the first attempt, which alone tells why it failed; later, the last redial */
    bool settled;       /* the first attempt is over */
    bool redialling;    /* the successor is about to take over */
    int failure;        /* nng's error that it ended with, or 0 */
    bool connected;
    bool heard;                /* this connection has brought a reply */
    nng_pipe pipe;             /* while connected */
    nng_pipe asked;            /* whether it answers at all is being asked; id 0: that of none */
    nng_pipe ended;            /* the pulse's: whose connection had ended when it last looked; id 0: none */
    unsigned apart, redials;   /* the pulse's: how often it found no connection since the last dialer, and how
                                * many dialers there have been since the last connection */
    unsigned connections;      /* how many there have been */
    uint64_t avoided_until_ns; /* of CLOCK_MONOTONIC: it does not serve */
    uint64_t avoided_ms;       /* how long the last time; 0 when it has served since */
    struct context *idle;
};

enum call_state {
    CALL_IDLE,
    CALL_WAITING, /* for a connection */
    CALL_PAUSING, /* before the next attempt */
    CALL_SENDING,
    CALL_RECEIVING
};

/* A call from its start to its end, over all its attempts. */
struct call {
    struct call *next, *prev; /* among the active; next alone among the idle */
    tilery_client *client;
    bool waited; /* its aios wake the thread that waits for them, a hand-over less; else they call back */
    nng_aio *send_now; /* sends what can be sent at once */
    nng_aio *aio;      /* sends and receives */
    nng_aio *timer;    /* sleeps: in nng 1.5, the timeouts of an aio that has slept once look like success */
    enum call_state state;
    const char *method;                  /* NULL: it is a mere pause */
    uint8_t *payload, small[CALL_SMALL]; /* a small one lies there, and costs no malloc */
    size_t payload_len;
    char *traceparent;                        /* after the payload, or NULL */
    char request_id[WIRE_MAX_REQUEST_ID + 1]; /* the caller's, or "": then it is */
    char own_id[33];                          /* the library's; "": none yet for the next attempt */
    uint64_t deadline_ns;                     /* of CLOCK_MONOTONIC; UINT64_MAX: none */
    uint64_t work_until_ns;                   /* likewise: what the server is told */
    uint64_t connect_ns;                      /* until then it waits for a connection: */
    bool wait_for_ready;                      /* for any, else for the first ones alone */
    struct server *only;                      /* the one that it must go to, or NULL */
    struct server *server;                    /* of the last attempt; NULL before the first */
    struct context *context;                  /* during an attempt */
    unsigned attempts;
    uint64_t attempt_ns;   /* of CLOCK_MONOTONIC, when the last one began */
    bool one_id;           /* the library's is that of all attempts, but of the last where it stays in use */
    bool retry;            /* more than one attempt may be made, */
    bool patient;          /* with pauses in between, whatever the client's options */
    bool lost;             /* an attempt's connection was lost: the server may still be at it */
    bool tell;             /* also that there could be no attempt */
    bool cancelled;        /* there are no more attempts, */
    uint64_t cancelled_ns; /* since then */
    call_done_fn *done;    /* NULL: the caller waits */
    void *arg;
    nng_msg *reply;          /* when it is over: the reply's frame, */
    struct wire_error error; /* or NULL and the error */
};

struct tilery_client {
    char *addresses; /* as given */
    uint64_t opened_ns, connect_timeout_ms;
    unsigned max_attempts;
    bool no_pauses;
    nng_aio *pulse;                /* NULL: not started */
    tilery_attempt_fn *on_attempt; /* or NULL */
    void *on_attempt_arg;
    struct server *servers;
    size_t count;
    pthread_rwlock_t token_lock; /* guards authorization; nothing else is locked under it */
    char *authorization;         /* with the token; NULL: none */
    pthread_mutex_t mutex;       /* guards all below, and the servers' and calls' states */
    pthread_cond_t changed;
    bool closing;
    unsigned refs;      /* its opener's, and one a stream */
    unsigned farewells; /* Cancels of streams under way */
    size_t turn;        /* the server that is looked at first for the next call */
    struct open_run *runs;
    struct call *active;
    struct call *idle[2]; /* those that call back, and those that are waited for */
};

/* ---- connection.c ---- */

/* Starts to connect. INVALID_ARGUMENT: the URL is none, or the options are not for it. Ends with
 * server_close. */
WIRE_MUST_USE enum wire_status server_open(struct server *server, tilery_client *client, const char *url,
                                           const struct tilery_client_options *options,
                                           struct wire_error *error);

/* Hangs up, where there is a connection; its end comes later. */
void server_disconnect(struct server *server);

/*
 * Has another dialer take over, in a thread: nng may wait, while it closes the old one, for callbacks that
 * take the mutex, or for one of the threads that they run on. For the pulse alone, when the first attempt is
 * over and no other dialer is about to take over. False when there is no memory: then nothing has changed.
 */
WIRE_MUST_USE bool server_redial(struct server *server);

/* False when nng still blocks, and may go on using the server: see wire_close. */
bool server_close(struct server *server);

/* The mutex is held. Connected, and not known to refuse. */
bool server_serves(const struct server *server, uint64_t now_ns);

/* The mutex is held. It serves: it is not passed over for long the next time that it does not. */
void server_trust(struct server *server);

/* The mutex is held. A context of the server's socket; NULL when there is no memory. Ends with
 * server_give_back. */
struct context *server_take_context(struct server *server);
void server_give_back(struct server *server, struct context *context);

/*
 * The mutex is held. Ends what is under way in the context as NNG_ECLOSED. This is how to end an attempt of a
 * call: nng 1.8 to 1.10 wake whoever waits for an aio that is cancelled while it just ends, though they are
 * not done with it.
 */
void context_end(struct context *context);

/* ---- client.c ---- */

/* The mutex is held. False when the time, of CLOCK_MONOTONIC, is up. */
bool client_wait_changed(tilery_client *client, uint64_t until_ns);

/* The mutex is held. All first attempts are over. */
bool client_settled(const tilery_client *client);

/* The mutex is held. The next in turn among the connected ones: rather one that serves, and then rather
 * another than last. NULL when none is connected. */
struct server *client_pick(tilery_client *client, const struct server *last, uint64_t now_ns);

/* The mutex is held. UNAVAILABLE: only, or none of the servers where that is NULL, is connected; and why. */
enum wire_status client_explain(const tilery_client *client, const struct server *only,
                                struct wire_error *error);

/* The mutex is held. Whether a server other than this one is connected and not known to refuse. */
bool client_other_serves(const tilery_client *client, const struct server *server);

/* ---- calls.c ---- */

/* call_start, but with done NULL for a caller who waits for the call's aios, and leads the call to its end.
 */
WIRE_MUST_USE enum wire_status call_begin(tilery_client *client, const struct call_spec *spec,
                                          call_done_fn *done, void *arg, struct call **out,
                                          struct wire_error *error);

/* Gives back a call that is over. The client may be gone when it returns. */
void call_end(struct call *call);

/* Frees an idle call. */
void call_free(struct call *call);

/* ---- farewell.c ---- */

/* Starts to cancel the runs of all open streams. */
void client_cancel_runs(tilery_client *client);

/* ---- frame.c ---- */

/* Each attempt has what is left of the time, and an id of its own where the caller gave none: the server may
 * still be at work for one whose connection was lost. With one_id it should know that one again.
 * DEADLINE_EXCEEDED, INVALID_ARGUMENT when the request is too large, RESOURCE_EXHAUSTED. */
WIRE_MUST_USE enum wire_status call_make_frame(struct call *call, uint64_t now_ns, nng_msg **out,
                                               struct wire_error *error);

/* DEADLINE_EXCEEDED, and what it was that did not come in time. */
enum wire_status call_out_of_time(const struct call *call, struct wire_error *error);

/* Whom the last attempt asked: for messages. */
const char *call_peer(const struct call *call);

/* ---- attempts.c ---- */

/* Sends the next attempt, or waits for a connection. Where it fails, nothing was begun. */
WIRE_MUST_USE enum wire_status call_advance(struct call *call, struct wire_error *error);

/* call_advance for the first time: that there can be no attempt is told of as well. */
WIRE_MUST_USE enum wire_status call_set_out(struct call *call, struct wire_error *error);

/* The aio that is under way. */
nng_aio *call_pending(const struct call *call);

/* For call_pause. False when the client is closed. */
WIRE_MUST_USE bool call_sleep(struct call *call, uint64_t ms);

/* That aio is done: true when the call is over, false when the next one is under way. */
bool call_go_on(struct call *call);

/* The mutex is held. Calls that wait for a connection look again. */
void client_wake_calls(tilery_client *client);

/* The mutex is held. The connection is lost: calls that nng keeps for the next one end. */
void client_lose_calls(const struct server *server);

/* The mutex is held, and the client is closing: whatever is under way ends. */
void client_end_calls(tilery_client *client);

/* ---- pulse.c ---- */

/*
 * Looks twice a second, on nng's callback threads, for what nng has lost sight of, until client_pulse_stop,
 * which waits for a look that is under way. Only then may the servers be closed. False: no memory.
 */
WIRE_MUST_USE bool client_pulse_start(tilery_client *client);
void client_pulse_stop(tilery_client *client);

/* ---- retries.c ---- */

/* The mutex is held. Whether the call is worth another attempt, and after what pause. */
bool call_may_retry(const struct call *call, const struct wire_error *error, uint64_t *pause_ms);

#endif
