#include "engine/pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Deep enough for the kernels and a strip; small enough that hundreds of threads cost little. */
#define STACK_BYTES (1u << 20)

struct worker {
    struct worker
        *next; /* in the pool's idle list, or in a hand-out; guarded by the pool's mutex while idle */
    struct worker *all_next;
    struct pool *pool;
    pthread_t thread;
    sem_t wake; /* posted once for each piece of work, and once to end */
    void (*work)(void *arg, uint32_t k);
    void *arg;
    uint32_t k;
};

struct pool {
    pthread_mutex_t mutex; /* guards the lists and the count */
    struct worker *idle;
    struct worker *all;
    uint32_t count;
    atomic_uint computing;
};

static void go_idle(struct worker *worker)
{
    struct pool *pool = worker->pool;

    pthread_mutex_lock(&pool->mutex);
    worker->next = pool->idle;
    pool->idle = worker;
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    for (;;) {
        while (sem_wait(&worker->wake) != 0)
            continue; /* EINTR */
        if (worker->work == NULL)
            return NULL;
        worker->work(worker->arg, worker->k);
        worker->work = NULL;
        go_idle(worker);
    }
}

/* number: for the name that top and gdb show. */
static bool spawn(struct worker *worker, uint32_t number)
{
    pthread_attr_t attributes;
    char name[16];
    bool started;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
              pthread_create(&worker->thread, &attributes, worker_main, worker) == 0;
    pthread_attr_destroy(&attributes);
    if (!started)
        return false;
    (void)snprintf(name, sizeof name, "tilery-%" PRIu32, number);
    (void)pthread_setname_np(worker->thread, name);
    return true;
}

/* A new worker, not on the idle list. */
static enum engine_status add_worker(struct pool *pool, struct worker **out)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        return ENGINE_NO_MEMORY;
    worker->pool = pool;
    (void)sem_init(&worker->wake, 0, 0);
    if (!spawn(worker, pool_size(pool))) {
        sem_destroy(&worker->wake);
        free(worker);
        return ENGINE_NO_THREADS;
    }
    pthread_mutex_lock(&pool->mutex);
    worker->all_next = pool->all;
    pool->all = worker;
    pool->count++;
    pthread_mutex_unlock(&pool->mutex);
    *out = worker;
    return ENGINE_OK;
}

enum engine_status pool_create(struct pool **out)
{
    struct pool *pool = calloc(1, sizeof *pool);

    *out = pool;
    if (pool == NULL)
        return ENGINE_NO_MEMORY;
    (void)pthread_mutex_init(&pool->mutex, NULL);
    return ENGINE_OK;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    for (struct worker *worker = pool->all, *next; worker != NULL; worker = next) {
        next = worker->all_next;
        sem_post(&worker->wake);
        pthread_join(worker->thread, NULL);
        sem_destroy(&worker->wake);
        free(worker);
    }
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

/* Takes up to `threads` idle workers off the list; returns how many. */
static uint32_t take_idle(struct pool *pool, uint32_t threads, struct worker **out)
{
    uint32_t taken = 0;

    *out = NULL;
    pthread_mutex_lock(&pool->mutex);
    while (taken < threads && pool->idle != NULL) {
        struct worker *worker = pool->idle;

        pool->idle = worker->next;
        worker->next = *out;
        *out = worker;
        taken++;
    }
    pthread_mutex_unlock(&pool->mutex);
    return taken;
}

static void give_back(struct worker *list)
{
    for (struct worker *next; list != NULL; list = next) {
        next = list->next;
        go_idle(list);
    }
}

enum engine_status pool_start(struct pool *pool, uint32_t threads, void (*work)(void *arg, uint32_t k),
                              void *arg)
{
    struct worker *list, *added;
    uint32_t got = take_idle(pool, threads, &list);

    for (; got < threads; got++) {
        enum engine_status status = add_worker(pool, &added);

        if (status != ENGINE_OK) {
            give_back(list);
            return status;
        }
        added->next = list;
        list = added;
    }
    for (uint32_t k = 0; k < threads; k++) {
        struct worker *worker = list;

        list = worker->next; /* read before the wake: the worker may be idle again, and relinked, at once */
        worker->work = work;
        worker->arg = arg;
        worker->k = k;
        sem_post(&worker->wake);
    }
    return ENGINE_OK;
}

uint32_t pool_size(struct pool *pool)
{
    uint32_t count;

    pthread_mutex_lock(&pool->mutex);
    count = pool->count;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}

void pool_begin_computing(struct pool *pool)
{
    atomic_fetch_add_explicit(&pool->computing, 1, memory_order_relaxed);
}

void pool_end_computing(struct pool *pool)
{
    atomic_fetch_sub_explicit(&pool->computing, 1, memory_order_relaxed);
}

uint32_t pool_computing(const struct pool *pool)
{
    return atomic_load_explicit(&pool->computing, memory_order_relaxed);
}
