#include "engine/pool.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deep enough for the kernels and a strip; small enough that hundreds of threads cost little. */
#define STACK_BYTES (1u << 20)

#define NOWHERE (-1)

/* What one thread does of what pool_start was given. */
struct share {
    void (*work)(void *arg, uint32_t k); /* NULL: nothing, or the end */
    void *arg;
    uint32_t k;
};

struct worker {
    struct worker
        *next; /* in the idle list, guarded by the pool's mutex, or in a list of those to be woken */
    struct worker *all_next;
    struct pool *pool;
    pthread_t thread;
    sem_t wake; /* posted once for a share, and once to end */
    struct share share;
    bool leaving; /* its share: it takes one of the next run's */
    bool moved;   /* until it runs again */
    int cpu;      /* where it ran last, or is moved to */
};

struct pool {
    pthread_mutex_t mutex; /* guards the lists and the count */
    struct worker *idle;
    struct worker *all;
    uint32_t count;
    cpu_set_t cpus; /* that its threads may use */
    uint32_t cpu_count;
    atomic_uint computing;
};

/* The worker whose thread this is, if it is one. */
static _Thread_local struct worker *self;

static void go_idle(struct worker *worker)
{
    struct pool *pool = worker->pool;

    pthread_mutex_lock(&pool->mutex);
    worker->next = pool->idle;
    pool->idle = worker;
    pthread_mutex_unlock(&pool->mutex);
}

/* Its share, and then one of each run that it starts when it leaves the one before. */
static void work_on(struct worker *worker)
{
    while (worker->share.work != NULL) {
        struct share share = worker->share;

        worker->share.work = NULL;
        worker->leaving = false;
        share.work(share.arg, share.k);
    }
}

/*
 * It may go anywhere again. All processors are given back, not those that it could use before, unless that
 * makes a difference now: it would otherwise keep to these when its cpuset gets others.
 */
static void set_free(struct worker *worker)
{
    const cpu_set_t *before = &worker->pool->cpus;
    cpu_set_t cpus;

    memset(&cpus, 0xff, sizeof cpus);
    worker->moved = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus) != 0;
    if (!worker->moved && pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus) == 0 &&
        !CPU_EQUAL(&cpus, before))
        worker->moved = pthread_setaffinity_np(pthread_self(), sizeof *before, before) != 0;
}

static void *worker_main(void *arg)
{
    struct worker *worker = self = arg;

    for (;;) {
        while (sem_wait(&worker->wake) != 0)
            continue; /* EINTR */
        if (worker->moved)
            set_free(worker);
        if (worker->share.work == NULL)
            return NULL;
        work_on(worker);
        worker->cpu = sched_getcpu();
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
    worker->cpu = NOWHERE;
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
    if (sched_getaffinity(0, sizeof pool->cpus, &pool->cpus) == 0)
        pool->cpu_count = (uint32_t)CPU_COUNT(&pool->cpus);
    else
        pool->cpu_count = UINT32_MAX;
    (void)pthread_mutex_init(&pool->mutex, NULL);
    return ENGINE_OK;
}

/* It has nothing to do. */
static void end_worker(struct worker *worker)
{
    sem_post(&worker->wake);
    pthread_join(worker->thread, NULL);
    sem_destroy(&worker->wake);
    free(worker);
}

/* One that is not on the idle list. */
static void remove_worker(struct worker *worker)
{
    struct pool *pool = worker->pool;
    struct worker **at = &pool->all;

    pthread_mutex_lock(&pool->mutex);
    while (*at != worker)
        at = &(*at)->all_next;
    *at = worker->all_next;
    pool->count--;
    pthread_mutex_unlock(&pool->mutex);
    end_worker(worker);
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    for (struct worker *worker = pool->all, *next; worker != NULL; worker = next) {
        next = worker->all_next;
        end_worker(worker);
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

/* Has an idle worker wake up there; it may go anywhere again as soon as it runs. One that somebody has seen
 * to since the pool was made is left alone. */
static void move(struct worker *worker, int cpu)
{
    cpu_set_t cpus;

    if (worker->moved || pthread_getaffinity_np(worker->thread, sizeof cpus, &cpus) != 0 ||
        !CPU_EQUAL(&cpus, &worker->pool->cpus))
        return;
    CPU_ZERO(&cpus);
    CPU_SET((unsigned)cpu, &cpus);
    worker->moved = pthread_setaffinity_np(worker->thread, sizeof cpus, &cpus) == 0;
    worker->cpu = cpu;
}

static bool take_cpu(cpu_set_t *cpus, int cpu)
{
    bool had = cpu != NOWHERE && CPU_ISSET((unsigned)cpu, cpus);

    if (had)
        CPU_CLR((unsigned)cpu, cpus);
    return had;
}

/* Moves those of the first `count` workers, or of all where there are fewer, that cannot wake up on one of
 * `cpus` for themselves alone. Returns the rest. */
static struct worker *spread(struct worker *list, uint32_t count, cpu_set_t *cpus)
{
    struct worker *worker = list;

    for (uint32_t i = 0; i < count && worker != NULL; i++, worker = worker->next)
        if (!take_cpu(cpus, worker->cpu))
            worker->cpu = NOWHERE;
    for (int cpu = 0; list != worker; list = list->next) {
        if (list->cpu != NOWHERE)
            continue;
        while (cpu < CPU_SETSIZE && !take_cpu(cpus, cpu))
            cpu++;
        if (cpu < CPU_SETSIZE)
            move(list, cpu);
    }
    return list;
}

/*
 * Of threads that are to have all processors, each wakes up on its own. The kernel wakes a thread where it
 * ran last, if it finds no idle processor. With few of them it often does not look, and the caller's does not
 * count, though it is about to sleep: the threads of a short run would run one after another on the same
 * processor, until the kernel balances, some milliseconds later.
 */
static void place(const struct pool *pool, struct worker *list, uint32_t threads, int own)
{
    cpu_set_t cpus = pool->cpus;
    uint32_t taken = take_cpu(&cpus, own) ? 1 : 0;

    for (uint32_t left = threads; left >= pool->cpu_count; left -= pool->cpu_count) {
        list = spread(list, pool->cpu_count - taken, &cpus);
        cpus = pool->cpus;
        taken = 0;
    }
}

/* Gives the last shares to the workers of `list` that are not on `cpu`, or, with cpu NOWHERE, to all; returns
 * the others. */
static struct worker *wake(struct worker *list, int cpu, struct share *share)
{
    struct worker *others = NULL;

    while (list != NULL) {
        struct worker *worker = list;

        list = worker->next; /* read before the wake: the worker may be idle again, and relinked, at once */
        if (cpu != NOWHERE && worker->cpu == cpu) {
            worker->next = others;
            others = worker;
            continue;
        }
        worker->share = *share;
        share->k--;
        sem_post(&worker->wake);
    }
    return others;
}

/* Whether the calling thread does a share itself, when it returns from the one that it does now. */
static bool takes_share(const struct pool *pool)
{
    return self != NULL && self->pool == pool && self->leaving && self->share.work == NULL;
}

/* The first `added` of the list are new, and in vain: the threads that the system has left are for others. */
static void undo_gather(struct worker *list, uint32_t added)
{
    for (struct worker *next; added > 0; added--, list = next) {
        next = list->next;
        remove_worker(list);
    }
    give_back(list);
}

/* So many workers, none of them on the idle list. */
static enum engine_status gather(struct pool *pool, uint32_t threads, struct worker **out)
{
    uint32_t idle = take_idle(pool, threads, out);

    for (uint32_t got = idle; got < threads; got++) {
        struct worker *added;
        enum engine_status status = add_worker(pool, &added);

        if (status != ENGINE_OK) {
            undo_gather(*out, got - idle);
            return status;
        }
        added->next = *out;
        *out = added;
    }
    return ENGINE_OK;
}

enum engine_status pool_start(struct pool *pool, uint32_t threads, void (*work)(void *arg, uint32_t k),
                              void *arg)
{
    struct share share = {work, arg, threads - 1};
    bool mine = threads != 0 && takes_share(pool);
    int cpu = sched_getcpu();
    struct worker *list;
    enum engine_status status = gather(pool, mine ? threads - 1 : threads, &list);

    if (status != ENGINE_OK)
        return status;
    if (pool_computing(pool) == 0)
        place(pool, list, threads, mine ? cpu : NOWHERE);
    list = wake(list, cpu, &share); /* first, as an idle processor takes longest */
    (void)wake(list, NOWHERE, &share);
    if (mine)
        self->share = share;
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

void pool_leave(void)
{
    if (self != NULL)
        self->leaving = true;
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
