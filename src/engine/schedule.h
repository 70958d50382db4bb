#ifndef TILERY_ENGINE_SCHEDULE_H
#define TILERY_ENGINE_SCHEDULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the schema's enum. */
enum schedule_kind {
    SCHEDULE_STATIC,   /* thread k gets the k-th run of ceil(tasks / num_threads) tasks */
    SCHEDULE_CYCLIC,   /* thread k gets tasks k, k + threads, ... */
    SCHEDULE_DYNAMIC,  /* the next task goes to the next free thread */
    SCHEDULE_GUIDED,   /* as dynamic, in blocks of ceil(what is left / (2 * threads)) */
    SCHEDULE_STEALING, /* static to begin with; an idle thread takes half of the fullest one's rest */
    SCHEDULE_KINDS,
};

/* "static", ...; lower case. */
const char *schedule_name(enum schedule_kind kind);

/* How many threads the schedule uses for that many tasks, at most num_threads; 0 for no task. */
uint32_t schedule_threads(enum schedule_kind kind, uint32_t tasks, uint32_t num_threads);

/*
 * Where one thread stands: the tasks next .. end-1 that are its own, as end << 32 | next. It fills a cache
 * line of its own and is touched by its own thread alone, but with stealing.
 */
struct schedule_cursor {
    _Alignas(64) _Atomic uint64_t own;
};

/* Shares out tasks first .. first+tasks-1. Owns nothing: the cursors are the caller's, one a used thread. */
struct schedule {
    enum schedule_kind kind;
    uint32_t first, tasks, threads;
    struct schedule_cursor *cursors;
    _Alignas(64) _Atomic uint32_t taken; /* by any thread; dynamic and guided */
};

void schedule_init(struct schedule *schedule, enum schedule_kind kind, uint32_t first, uint32_t tasks,
                   uint32_t num_threads, struct schedule_cursor *cursors);

/* The next task of a thread; false when nothing is left for it. Called by that thread alone, all at once;
 * lock-free.
 */
bool schedule_next(struct schedule *schedule, uint32_t thread_id, uint32_t *task_id);

#endif
