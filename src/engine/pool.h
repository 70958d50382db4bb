#ifndef TILERY_ENGINE_POOL_H
#define TILERY_ENGINE_POOL_H

#include <stdint.h>

#define ENGINE_MUST_USE __attribute__((warn_unused_result))

enum engine_status {
    ENGINE_OK = 0,
    ENGINE_NO_MEMORY,
    ENGINE_NO_THREADS, /* the system gave no further thread */
};

/*
 * A warm pool of OS threads. It grows when asked for more threads at once than stand idle and keeps what it
 * has, the last one back being the first to go out again. The pool does not limit itself: admission does.
 *
 * Any thread may call any function but pool_free.
 */
struct pool;

/* Ends with pool_free. */
ENGINE_MUST_USE enum engine_status pool_create(struct pool **out);

/* Joins every thread; the caller sees to it that none is at work. NULL is fine. */
void pool_free(struct pool *pool);

/* Runs work(arg, k) for k = 0 .. threads-1, each on a thread of its own, all at once. On failure none of them
 * runs, and the pool is no larger than before. Where they take every processor, each begins on its own; the
 * kernel may move it from there. */
ENGINE_MUST_USE enum engine_status pool_start(struct pool *pool, uint32_t threads,
                                              void (*work)(void *arg, uint32_t k), void *arg);

/*
 * Said within work(), on a thread that has nothing more to do but return: when it calls pool_start now, it is
 * itself one of the threads, so that none need be woken for its part.
 */
void pool_leave(void);

/* How many threads there are, idle or at work. */
uint32_t pool_size(struct pool *pool);

/*
 * How many compute now. A thread of the pool says itself when it begins and when it stops to: one at work
 * that waits, for a reader of its tiles, does not count.
 */
void pool_begin_computing(struct pool *pool);
void pool_end_computing(struct pool *pool);
uint32_t pool_computing(const struct pool *pool);

#endif
