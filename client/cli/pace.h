#ifndef TILERY_CLI_PACE_H
#define TILERY_CLI_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When calls are to be sent at a fixed rate. The n-th is due n / rate seconds after the start, whatever
 * became of those before it: who falls behind sends late, and the lateness belongs to the call's latency.
 * Knows no clock; times are of the caller's, in ns.
 */
struct pace {
    uint64_t start_ns, end_ns; /* none is due from the end on */
    uint64_t rate;             /* a second, 1 to 1,000,000 */
    uint64_t taken;
};

/* When the next one is due; UINT64_MAX: there is none any more. */
uint64_t pace_when(const struct pace *pace);

/* Takes the next one, where it is due by now: *due_ns is when. */
bool pace_take(struct pace *pace, uint64_t now_ns, uint64_t *due_ns);

#endif
