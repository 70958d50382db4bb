#ifndef TILERY_RPC_CALL_H
#define TILERY_RPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "wire/status.h"

/*
 * One request in hand. A handler ends its call exactly once, with rpc_call_reply, rpc_call_reply_packed or
 * rpc_call_fail: at once, or later from any thread once it has called rpc_call_defer. The call and everything
 * allocated from it are gone when the ending function is called.
 */
struct rpc_call;

/* Runs on nng's callback threads: decodes, decides, hands over; never computes or waits. */
typedef void rpc_handler(struct rpc_call *call, const ProtobufCMessage *request, void *context);

/* A service of the schema: handlers[i] answers the descriptor's method i. Static storage; NULL is
 * UNIMPLEMENTED. */
struct rpc_service {
    const ProtobufCServiceDescriptor *descriptor;
    rpc_handler *const *handlers;
};

/* Zeroed memory that lives as long as the call; NULL when the call's budget is used up. */
void *rpc_call_alloc(struct rpc_call *call, size_t size);

/* "" when the caller gave none. */
const char *rpc_call_request_id(const struct rpc_call *call);

/*
 * Told at most once, and only before the call has ended, that nobody waits for the answer any more
 * (CANCELLED: the connection is gone) or that its time is up (DEADLINE_EXCEEDED). It may end the call, on the
 * spot too. Called on a thread of the runtime, without a lock. What the call was allocated lives on until the
 * hook returns.
 */
typedef void rpc_cancel_fn(void *arg, enum wire_status why);

/* Brings the end of the call's time forward to timeout_ms from now, where it is later; before rpc_call_defer.
 */
void rpc_call_limit(struct rpc_call *call, uint64_t timeout_ms);

/*
 * Sets room aside for a reply of up to size bytes, so that the work for it is not done in vain; before
 * rpc_call_defer. RESOURCE_EXHAUSTED when the replies in hand take up the server's budget. A reply without
 * room set aside needs it when it is given, and fails in the same way.
 */
WIRE_MUST_USE enum wire_status rpc_call_reserve(struct rpc_call *call, size_t size, struct wire_error *error);

/* The handler will end the call later. Called before anybody who might end it knows of it; the hook may come
 * at once. */
void rpc_call_defer(struct rpc_call *call, rpc_cancel_fn *hook, void *arg);

/* When the call's time is up, of CLOCK_MONOTONIC; before rpc_call_limit. */
uint64_t rpc_call_deadline_ns(const struct rpc_call *call);

/* How long the call waited for threads and worked, for the reply; before the end, by whoever ends it. */
void rpc_call_set_times(struct rpc_call *call, uint64_t queue_ns, uint64_t run_ns);

/* How many things the answer is about, for whoever is told of the end; before it, by whoever ends the call.
 */
void rpc_call_set_items(struct rpc_call *call, uint64_t items);

/* The id of what the call is about, where that is not its own; likewise. The text is the request's. */
void rpc_call_set_target(struct rpc_call *call, const char *id);

/* The connection that the call came by, as rpc_gone_fn names it; never 0. */
uint32_t rpc_call_connection(const struct rpc_call *call);

/* Whether that has gone: who waits to be told looks once more when it is known where. */
bool rpc_call_is_gone(struct rpc_call *call);

/* What the server has in hand, this call included. */
struct rpc_load {
    unsigned connections, calls;
};
struct rpc_load rpc_call_load(struct rpc_call *call);

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *reply);

/* The same for a reply that is packed piece by piece: write(arg, out) writes exactly size bytes. */
void rpc_call_reply_packed(struct rpc_call *call, size_t size, void (*write)(void *arg, uint8_t *out),
                           void *arg);

/* error->status is not OK. */
void rpc_call_fail(struct rpc_call *call, const struct wire_error *error);

#endif
