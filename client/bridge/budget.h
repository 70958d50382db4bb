#ifndef TILERY_BRIDGE_BUDGET_H
#define TILERY_BRIDGE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The memory of all results, from before a call is made, when it is what the call may take at most, until the
 * answer is sent. Any thread, without a lock. Small results, of the default request's 130 tiles too, are not
 * counted, so that large ones that are read slowly keep nobody else out: the number of connections is their
 * bound.
 */
struct budget {
    uint64_t limit;
    atomic_uint_least64_t held;
};

#define BUDGET_COUNTED_BYTES 131072u

/* What is to be counted of an answer of that size. */
static inline uint64_t budget_share(uint64_t bytes)
{
    return bytes < BUDGET_COUNTED_BYTES ? 0 : bytes;
}

/* False, with nothing taken, where others leave no room. One alone may be larger than all of the budget. */
static inline bool budget_take(struct budget *budget, uint64_t share)
{
    uint64_t held = atomic_load(&budget->held);

    if (share == 0)
        return true;
    do
        if (held != 0 && (held > budget->limit || share > budget->limit - held))
            return false;
    while (!atomic_compare_exchange_weak(&budget->held, &held, held + share));
    return true;
}

/* From one share, which was taken, to another, which may be 0. */
static inline void budget_change(struct budget *budget, uint64_t from, uint64_t to)
{
    if (from != to)
        (void)atomic_fetch_add(&budget->held, to - from);
}

#endif
