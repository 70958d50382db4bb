#ifndef TILERY_WIRE_CLOCK_H
#define TILERY_WIRE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t wire_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The time that comes so many milliseconds after one, or from now; or the end of time. */
static inline uint64_t wire_after(uint64_t now_ns, uint64_t ms)
{
    return ms < (UINT64_MAX - now_ns) / 1000000u ? now_ns + ms * 1000000u : UINT64_MAX;
}

static inline uint64_t wire_after_ms(uint64_t ms)
{
    return wire_after(wire_now_ns(), ms);
}

#endif
