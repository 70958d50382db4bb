#include "pace.h"

#define NS_PER_S UINT64_C(1000000000)

/* From the start each time, so that nothing adds up. */
uint64_t pace_when(const struct pace *pace)
{
    uint64_t seconds = pace->taken / pace->rate, rest = pace->taken % pace->rate;
    uint64_t when = pace->start_ns + seconds * NS_PER_S + rest * NS_PER_S / pace->rate;

    return when < pace->end_ns ? when : UINT64_MAX;
}

bool pace_take(struct pace *pace, uint64_t now_ns, uint64_t *due_ns)
{
    *due_ns = pace_when(pace);
    if (*due_ns == UINT64_MAX || *due_ns > now_ns)
        return false;
    pace->taken++;
    return true;
}
