#ifndef TILERY_CLIENT_INTERNAL_H
#define TILERY_CLIENT_INTERNAL_H

#include <nng/nng.h>
#include <protobuf-c/protobuf-c.h>

#include "tilery/client.h"
#include "wire/arena.h"
#include "wire/envelope.h"

#include "compute.pb-c.h"

/*
 * How a call ended: the reply's frame, which the callee frees, or NULL and the error. On nng's callback
 * threads, without a lock.
 */
typedef void call_done_fn(void *arg, nng_msg *reply, const struct wire_error *error);

/* Sends a request. done is called later, exactly once, unless this fails. wait: first wait for a connection.
 */
WIRE_MUST_USE enum wire_status call_start(tilery_client *client, const char *method,
                                          const ProtobufCMessage *request,
                                          const struct tilery_call_options *options, bool wait,
                                          call_done_fn *done, void *arg, struct wire_error *error);

/* The same, waiting for the end. *reply is the caller's to free. */
WIRE_MUST_USE enum wire_status call_blocking(tilery_client *client, const char *method,
                                             const ProtobufCMessage *request,
                                             const struct tilery_call_options *options, nng_msg **reply,
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

/* 128 random bits in hex. */
void call_random_id(char id[33]);

/* Copies the error out, where the caller wants it, and returns its status. */
enum tilery_status call_error(struct tilery_error *out, const struct wire_error *error);

#endif
