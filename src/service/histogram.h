#ifndef TILERY_SERVICE_HISTOGRAM_H
#define TILERY_SERVICE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

/* The bounds of the buckets: 10 us to 100 s, three a decade. The last bucket is of what is above them all. */
#define HISTOGRAM_BOUNDS 22
#define HISTOGRAM_BUCKETS (HISTOGRAM_BOUNDS + 1)

extern const uint64_t histogram_bounds_ns[HISTOGRAM_BOUNDS];

/* How often each stretch of time was met. All zero is empty. Any thread may add and read at any time, without
 * a lock: a reader may find one of the latest times in its bucket and not yet in the sum. */
struct histogram {
    atomic_uint_least64_t counts[HISTOGRAM_BUCKETS], sum_ns;
};

void histogram_add(struct histogram *histogram, uint64_t ns);

#endif
