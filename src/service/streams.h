#ifndef TILERY_SERVICE_STREAMS_H
#define TILERY_SERVICE_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/run.h"
#include "rpc/call.h"
#include "service/admission.h"
#include "wire/status.h"

/*
 * The open streams, by id. A stream is a run behind a window; once read it outlives its connection and ends
 * by Cancel, when nobody has called NextTiles for the lease, or with the service. One that was read to its
 * end is kept for the lease, so that its last reply can be asked for again. The time of the call that opened
 * it is its run's: when that is up, the run is stopped, and whoever asks for tiles is told DEADLINE_EXCEEDED.
 *
 * Any thread may call any function but streams_free. One mutex guards the table, and each stream's poll and
 * lease; no window's and not admission's mutex is taken before it.
 */
struct streams;

/* Ends with streams_free, after every job has ended. Admission stays the caller's. All windows together take
 * up to window_budget bytes; one alone may take more. */
WIRE_MUST_USE enum wire_status streams_create(struct admission *admission, uint64_t window_budget,
                                              struct streams **out, struct wire_error *error);
void streams_free(struct streams *streams);

/* Starts a run, or queues it, under that id, for the call, whose tiles may have those encodings, a set of
 * WIRE_ENCODING; or gives it the stream of that id whose opener may not have heard of it: see
 * streams_connection_gone. */
WIRE_MUST_USE enum wire_status streams_open(struct streams *streams, struct rpc_call *call, const char *id,
                                            const struct run_spec *spec, unsigned encodings,
                                            struct wire_error *error);

/*
 * The streams that were opened by that connection, and not asked for any tile yet: their reply may be lost,
 * and nobody know of them. Their leases are short from now on, and the same OpenStream, sent again by another
 * connection, gets the very stream.
 */
void streams_connection_gone(struct streams *streams, uint32_t connection);

/* Answers the call, at once or when a tile comes or wait_ms are over. */
void streams_next(struct streams *streams, struct rpc_call *call, const char *id, uint64_t cursor,
                  uint64_t max_bytes, uint64_t wait_ms);

/* One that has that id, or is a part of it: service_is_part. False when there is none. */
bool streams_cancel(struct streams *streams, const char *id);

/* Shortens all leases, those to come too: the server is to end soon. */
void streams_drain(struct streams *streams);

/* Waits until every stream is gone, as its reader has cancelled it, or read it to the end and said so in the
 * same way; false when that took longer than timeout_ms. */
bool streams_wait_idle(struct streams *streams, uint64_t timeout_ms);

/* Ends all, as UNAVAILABLE. */
void streams_cancel_all(struct streams *streams);

struct streams_load {
    uint32_t open;
    uint64_t window_bytes; /* that their windows may take */
};
struct streams_load streams_load(struct streams *streams);

/* How long a stream lives that nobody reads. */
uint64_t streams_lease_ms(void);

#endif
