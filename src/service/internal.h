#ifndef TILERY_SERVICE_INTERNAL_H
#define TILERY_SERVICE_INTERNAL_H

#include "engine/run.h"
#include "service/admission.h"
#include "service/service.h"

#include "compute.pb-c.h"

struct service {
    struct pool *pool;
    struct admission *admission;
    uint32_t cpus, max_threads;
    uint64_t started_ns;
};

/* INVALID_ARGUMENT, naming field, value and range, or a spec that is known to be good. */
WIRE_MUST_USE enum wire_status service_read_request(const Tilery__V1__ComputeRequest *request,
                                                    struct run_spec *spec, struct wire_error *error);

/* A finished run as a ComputeReply: its packed size, and the packing itself, for rpc_call_reply_packed. */
size_t service_reply_size(const struct run *run);
void service_reply_write(void *run, uint8_t *out);

/* The handlers. */
rpc_handler service_compute, service_cancel, service_check, service_info;

#endif
