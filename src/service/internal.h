#ifndef TILERY_SERVICE_INTERNAL_H
#define TILERY_SERVICE_INTERNAL_H

#include <string.h>

#include "engine/run.h"
#include "service/admission.h"
#include "service/service.h"

#include "rpc/call.h"

#include "compute.pb-c.h"

struct cancels;
struct streams;
struct stats;

struct service {
    struct pool *pool;
    struct admission *admission;
    struct streams *streams;
    struct cancels *cancels;
    struct stats *stats;
    service_stream_fn *on_stream;
    void *on_stream_arg;
    uint32_t cpus, max_threads;
    uint64_t max_timeout_ms, started_ns;
};

/* Whether it is the request of that id, or a part of it, whose own goes on with a slash: "picture/2". */
static inline bool service_is_part(const char *request_id, const char *of)
{
    size_t len = strlen(of);

    return strncmp(request_id, of, len) == 0 && (request_id[len] == '\0' || request_id[len] == '/');
}

/* INVALID_ARGUMENT, naming field, value and range, or a spec that is known to be good. */
WIRE_MUST_USE enum wire_status service_read_request(const Tilery__V1__ComputeRequest *request,
                                                    struct run_spec *spec, struct wire_error *error);

#define SERVICE_MAX_THREADS 256

/* A finished run's Summary; it points into itself and the run. */
struct summary_message {
    Tilery__V1__Summary message;
    Tilery__V1__ThreadSummary threads[SERVICE_MAX_THREADS], *pointers[SERVICE_MAX_THREADS];
};

void service_summary(const struct run *run, struct summary_message *out);

/* What the reply to a run of that kind takes at most. */
size_t service_reply_bound(const struct run_spec *spec);

/* A finished run as a ComputeReply: its packed size, and the packing itself, for rpc_call_reply_packed. */
size_t service_reply_size(const struct run *run);
void service_reply_write(void *run, uint8_t *out);

/* A tile as a NextTilesReply holds it: see struct window_options. Encodings are a WIRE_ENCODING each. */
struct window_packed service_pack_tile(const struct grid *grid, const struct run_record *record,
                                       struct tile tile, unsigned encodings, uint16_t *counts);

/* A batch of a stream's tiles, with the summary when nothing follows. */
struct window_batch;
void service_reply_tiles(struct rpc_call *call, const struct run *run, const struct window_batch *batch);

/* The run or the stream of that request can be named from now on; "" names none. */
void service_arrived(struct service *service, const char *request_id, bool streamed);

/* The handlers. */
rpc_handler service_compute, service_cancel, service_open_stream, service_next_tiles, service_check,
    service_info, service_stats, service_describe;

#endif
