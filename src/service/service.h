#ifndef TILERY_SERVICE_SERVICE_H
#define TILERY_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/server.h"
#include "wire/status.h"

/* The RPC methods: TileCompute, Health and Server of proto/. It owns the pool of threads and admission. */
struct service;

/* The run of a stream that has ended, whether it was read or not. */
struct service_stream_run {
    const char *id;
    enum wire_status status;
    uint64_t queue_ns, run_ns, tiles; /* waited, worked; computed */
};

/* On whichever thread ends it, without a lock. */
typedef void service_stream_fn(void *arg, const struct service_stream_run *run);

struct service_options {
    uint32_t max_threads;         /* of all runs side by side; 0: eight a usable CPU, at least 32 */
    uint32_t cpus;                /* that a quota leaves it; 0: there is none */
    uint32_t max_queue;           /* requests that wait for threads */
    uint64_t max_timeout_ms;      /* the RPC server's, for Info to tell */
    uint64_t window_budget_bytes; /* what all streams' windows may take; one alone may take more */
    service_stream_fn *on_stream; /* told of each stream's run when it ends; NULL: nobody is */
    void *on_stream_arg;
};

/* Ends with service_free. */
WIRE_MUST_USE enum wire_status service_create(const struct service_options *options, struct service **out,
                                              struct wire_error *error);

/* Open at once: each may have a NextTiles that waits. */
#define SERVICE_MAX_STREAMS 256u

/* The max_threads in force. */
uint32_t service_max_threads(const struct service *service);

/* What rpc_server_create takes; the handlers' context is the service. */
const struct rpc_service *service_table(size_t *count);

/* Counts a call that has ended, for Stats: a part of the RPC server's on_end. */
void service_count(struct service *service, const struct rpc_ended *ended);

/* The RPC server's on_gone. */
void service_connection_gone(struct service *service, uint32_t connection);

/* New work is UNAVAILABLE from now on, Health says NOT_SERVING, and streams' leases are shorter. */
void service_drain(struct service *service);

/* Waits for the runs in hand; false when timeout_ms was not enough. */
bool service_wait_idle(struct service *service, uint64_t timeout_ms);

/* Ends the runs in hand soon, as UNAVAILABLE. */
void service_cancel_all(struct service *service);

/* After the RPC server has stopped. NULL is fine. */
void service_free(struct service *service);

#endif
