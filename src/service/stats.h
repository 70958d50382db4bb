#ifndef TILERY_SERVICE_STATS_H
#define TILERY_SERVICE_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/server.h"
#include "service/admission.h"
#include "service/histogram.h"
#include "wire/status.h"

#define STATS_CODES (WIRE_UNAUTHENTICATED + 1)

/* What a method's calls came to. */
struct method_stats {
    atomic_uint_least64_t codes[STATS_CODES];
    struct histogram total, queue, run; /* the latter two of the runs that the method starts */
};

/*
 * What the service has done since it began. Any thread may count and read at any time: there is no lock, and
 * no number waits for another.
 */
struct stats {
    atomic_uint_least64_t tiles, pixels, iterations, records, bytes_received, bytes_sent, dropped_expired,
        cancelled;
    size_t methods; /* of the table; by_method has one more, for calls of no method */
    struct method_stats by_method[];
};

/* All zero; NULL when there is no memory. Ends with free. */
struct stats *stats_create(size_t methods);

/* A call that has ended, of whatever method. */
void stats_count_call(struct stats *stats, const struct rpc_ended *ended);

/* A job that has ended, but not been finished, and the place of the method that started it. */
void stats_count_job(struct stats *stats, size_t method, const struct job *job, enum wire_status why);

#endif
