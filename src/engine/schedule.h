#ifndef TILERY_ENGINE_SCHEDULE_H
#define TILERY_ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schedule_kind {
    SCHEDULE_STATIC, /* thread k gets the k-th run of ceil(tasks / threads) tasks */
    SCHEDULE_KINDS,
};

/* "static", ...; lower case. */
const char *schedule_name(enum schedule_kind kind);

/* How many threads the schedule uses for that many tasks, at most num_threads; 0 for no task. */
uint32_t schedule_threads(enum schedule_kind kind, uint32_t tasks, uint32_t num_threads);

/* Where one thread stands. Each is touched by its own thread alone and fills a cache line of its own. */
struct schedule_cursor {
    _Alignas(64) uint32_t next, end;
};

/* Shares out tasks first .. first+tasks-1. Owns nothing: the cursors are the caller's, one a used thread. */
struct schedule {
    enum schedule_kind kind;
    struct schedule_cursor *cursors;
};

void schedule_init(struct schedule *schedule, enum schedule_kind kind, uint32_t first, uint32_t tasks,
                   uint32_t num_threads, struct schedule_cursor *cursors);

/* The next task of a thread; false when nothing is left for it. Called by that thread alone. */
bool schedule_next(struct schedule *schedule, uint32_t thread_id, uint32_t *task_id);

#endif
