#ifndef TILERY_TESTS_BENCH_GRPC_SIDES_H
#define TILERY_TESTS_BENCH_GRPC_SIDES_H

#include <stdbool.h>
#include <stddef.h>

#include "load.h"

/* The same schema, engine and pool behind gRPC C++: a server with its asynchronous callback service, and
 * clients that wait, each over a channel and a connection of its own. */
#ifdef __cplusplus
extern "C" {
#endif

/* Serves on a free port of 127.0.0.1; writes HOST:PORT to bound. False when it cannot. It goes on until the
 * process ends. */
bool rival_serve(char *bound, size_t size);

/* A target's functions; its URL is HOST:PORT. A call is the documented request. */
void *rival_open(const struct target *target);
bool rival_call(void *client);
void rival_close(void *client);

const char *rival_version(void);

#ifdef __cplusplus
}
#endif

#endif
