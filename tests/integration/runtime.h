#ifndef TILERY_TESTS_RUNTIME_H
#define TILERY_TESTS_RUNTIME_H

#include <semaphore.h>
#include <stdatomic.h>

#include "raw.h"
#include "rpc/call.h"
#include "rpc/server.h"

/* More than wait for requests at once. */
#define RUNTIME_CONTEXTS 40
#define RUNTIME_PATIENCE_MS 60000

/* The server runtime alone, with a handler of the test's own for Health/Check, and as many clients as it has
 * contexts. */
struct runtime {
    struct rpc_server *server;
    struct raw clients[RUNTIME_CONTEXTS];
    struct rpc_call *calls[RUNTIME_CONTEXTS]; /* those that runtime_hold was given, in turn */
    atomic_uint held;
    sem_t one_held, gone; /* posted once for each call, and each connection that ends */
};
extern struct runtime runtime;

/* on_end may be NULL. */
void runtime_start(int transport, rpc_handler *handler, rpc_end_fn *on_end);
void runtime_end(void);

void runtime_ask(struct raw *client);
void runtime_expect_answer(struct raw *client);

/* A handler that leaves the answer to the test. */
void runtime_hold(struct rpc_call *call, const ProtobufCMessage *request, void *context);
void runtime_answer(struct rpc_call *call);

/* sem_wait, whatever signal comes. */
void runtime_wait(sem_t *semaphore);

#endif
