#ifndef TILERY_WIRE_CONDITION_H
#define TILERY_WIRE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Conditions whose waits end by CLOCK_MONOTONIC, in nanoseconds as wire_now_ns and wire_after_ms give them.
 */

/* Ends with pthread_cond_destroy. */
static inline void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* The mutex is held. As pthread_cond_wait, but false when the time has come. */
static inline bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                                   .tv_nsec = (long)(until_ns % 1000000000u)};

    return pthread_cond_timedwait(condition, mutex, &until) == 0;
}

#endif
