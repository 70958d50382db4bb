#ifndef TILERY_CLIENT_INTERNAL_H
#define TILERY_CLIENT_INTERNAL_H

#include <nng/nng.h>
#include <protobuf-c/protobuf-c.h>

#include "tilery/client.h"
#include "wire/arena.h"
#include "wire/envelope.h"
#include "wire/limits.h"

#include "compute.pb-c.h"

#define NS_PER_MS UINT64_C(1000000)

/* One of a client's addresses, with its connection. It lives as long as the client. */
struct server;

/*
 * How a call ended: the reply's frame, which the callee frees, or NULL and the error; and the server that was
 * asked last, NULL when none was. On nng's callback threads, without a lock.
 */
typedef void call_done_fn(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error);

struct call_spec {
    const char *method;
    const ProtobufCMessage *request;
    const struct tilery_call_options *options; /* NULL: none */
    struct server *only;                       /* the one server to ask; NULL: one that serves */
    uint64_t work_until_ns; /* of what the call starts and does not wait for; 0: the call's own deadline */
    bool retry;   /* another attempt may follow, at another server too: asked twice, nothing is different */
    bool one_id;  /* of all attempts, where the caller gave none: the server knows it again */
    bool lost;    /* of an earlier call with that id: the server may still be at its work */
    bool patient; /* with pauses in between, though the client makes none elsewhere: nobody waits for it */
    bool tell;    /* on_attempt, also where that one server is not connected: a stream asks again and again */
};

/* Starts a call, which waits for the first connection where there is none yet. done is called later, exactly
 * once, unless this fails. */
WIRE_MUST_USE enum wire_status call_start(tilery_client *client, const struct call_spec *spec,
                                          call_done_fn *done, void *arg, struct wire_error *error);

/* Calls done when the time is over: without a reply, and with OK, or with CANCELLED where the pause was ended
 * early; or never, where this fails. */
WIRE_MUST_USE enum wire_status call_pause(tilery_client *client, uint64_t ms, call_done_fn *done, void *arg,
                                          struct wire_error *error);

/* Ends the pauses whose done has that arg early, as closing the client does. */
void call_wake(tilery_client *client, const void *arg);

/* The same as call_start, waiting for the end. *reply is the caller's to free; *server answered, and may be
 * NULL for a caller that does not care. */
WIRE_MUST_USE enum wire_status call_blocking(tilery_client *client, const struct call_spec *spec,
                                             nng_msg **reply, struct server **server,
                                             struct wire_error *error);

/* Takes a reply's envelope apart: OK, or the failure that it tells of. The payload stays in msg, or is in the
 * arena. */
WIRE_MUST_USE enum wire_status call_unwrap(nng_msg *msg, struct wire_arena *arena, struct wire_reply *head,
                                           struct wire_error *error);

/* Takes a reply apart. OK: *payload is the method's reply message; all of it lives in the arena. Frees msg.
 */
WIRE_MUST_USE enum wire_status call_decode(nng_msg *msg, const ProtobufCMessageDescriptor *type,
                                           struct wire_arena *arena, struct wire_reply *head,
                                           ProtobufCMessage **payload, struct wire_error *error);

/* A public request as the schema's message, which points into region and in. */
void call_fill_request(const struct tilery_compute_request *in, Tilery__V1__Region *region,
                       Tilery__V1__ComputeRequest *out);

struct tilery_summary call_summary(const Tilery__V1__Summary *summary);

/* Of a call of this method. Frees msg; *out ends with tilery_stats_free. */
#define CALL_STATS "tilery.v1.Server/Stats"
WIRE_MUST_USE enum wire_status call_read_stats(nng_msg *msg, struct tilery_stats **out,
                                               struct wire_error *error);

/* INVALID_ARGUMENT for a request_id that is too long. NULL is fine. */
WIRE_MUST_USE enum wire_status call_check_id(const char *id, struct wire_error *error);

/* Ends the attempts of a call of this client. True when it was pausing, or waiting for a connection: then no
 * server knows of it. Where a server was told before, and had its time, the attempt under way ends, too, and
 * a stream with its next poll. */
bool call_give_up(tilery_client *client, const char *request_id);

/* Whether a call of this client, of that name, has been sent and not ended. */
bool call_is_under_way(tilery_client *client, const char *request_id);

/* call_start of a health check of one server. */
WIRE_MUST_USE enum wire_status call_start_check(tilery_client *client, struct server *server,
                                                const struct tilery_call_options *options, call_done_fn *done,
                                                void *arg, struct wire_error *error);

/* OK when the server that replied to a health check serves. Frees msg. */
WIRE_MUST_USE enum wire_status call_read_check(nng_msg *msg, struct server *server, struct wire_error *error);

#define CALL_CANCEL "tilery.v1.TileCompute/Cancel"
#define CALL_INFO "tilery.v1.Server/Info"

/* What the reply's envelope says of itself, where it tells of a failure; else the status is OK. */
void call_read_failure(const nng_msg *reply, struct wire_error *error);

/* The server said that it does not serve, or nothing at all: others are preferred for a while. */
void server_avoid(struct server *server);

/* How many connections to it there have been. */
unsigned server_connections(struct server *server);

/* Whether another server than this one could be asked. */
bool client_has_another(tilery_client *client, const struct server *server);

#define CLIENT_MAX_SERVERS 64

/* Those that are connected now; out has room for CLIENT_MAX_SERVERS. */
size_t client_connected(tilery_client *client, struct server **out);

/* The client's memory stays until it is closed and as often released as it is held; calls fail from when it
 * is closed. */
void client_hold(tilery_client *client);
void client_release(tilery_client *client);

/* Ends a run at its server, in the background, and asks again where that is too busy to listen. done, which
 * is called in any case, says that the farewell is over. */
void client_cancel_run(tilery_client *client, const char *id, struct server *server, const char *traceparent,
                       call_done_fn *done, void *arg);

/* A Cancel that is worth a moment before the client is closed has been begun, and has ended. */
void client_farewell_begun(tilery_client *client);
void client_farewell_over(tilery_client *client);

/*
 * A stream's run at a server, which is cancelled when the client is closed: from when it is opened, there or
 * anew elsewhere, until the server is told otherwise, or has delivered all. All zero at first; it stays where
 * it is, and so does the id.
 */
struct open_run {
    struct open_run *next, *prev;
    bool listed;
    const char *id;
    struct server *server;
    uint64_t cancelled_ns; /* by its id, with tilery_cancel; 0: it was not */
};
void client_run_opened(tilery_client *client, struct open_run *run, const char *id, struct server *server);
void client_run_over(tilery_client *client, struct open_run *run); /* again is fine */
/* It was cancelled so long ago that its server should have ended it. */
bool client_run_is_overdue(tilery_client *client, const struct open_run *run);

/* How many attempts a call may take; 1: there are no retries. */
unsigned client_max_attempts(const tilery_client *client);

/* Text that came from elsewhere, made safe to show, in place. NULL is fine. */
void call_make_printable(char *text);

/* Copies the error out, where the caller wants it, and returns its status. */
enum tilery_status call_error(struct tilery_error *out, const struct wire_error *error);

#endif
