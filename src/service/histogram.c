#include "service/histogram.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

const uint64_t histogram_bounds_ns[HISTOGRAM_BOUNDS] = {
    10 * US, 20 * US,  50 * US,  100 * US, 200 * US, 500 * US, 1 * MS, 2 * MS, 5 * MS, 10 * MS, 20 * MS,
    50 * MS, 100 * MS, 200 * MS, 500 * MS, 1 * S,    2 * S,    5 * S,  10 * S, 20 * S, 50 * S,  100 * S};

/* Most calls are short, so most searches are. */
void histogram_add(struct histogram *histogram, uint64_t ns)
{
    unsigned i = 0;

    while (i < HISTOGRAM_BOUNDS && ns > histogram_bounds_ns[i])
        i++;
    atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}
