#include "engine/schedule.h"

static const char *const names[SCHEDULE_KINDS] = {[SCHEDULE_STATIC] = "static",
                                                  [SCHEDULE_CYCLIC] = "cyclic",
                                                  [SCHEDULE_DYNAMIC] = "dynamic",
                                                  [SCHEDULE_GUIDED] = "guided",
                                                  [SCHEDULE_STEALING] = "stealing"};

const char *schedule_name(enum schedule_kind kind)
{
    return names[kind];
}

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return a / b + (a % b != 0);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t schedule_threads(enum schedule_kind kind, uint32_t tasks, uint32_t num_threads)
{
    uint32_t chunk = divide_up(tasks, num_threads);

    if (kind != SCHEDULE_STATIC)
        return least(tasks, num_threads);
    return chunk == 0 ? 0 : divide_up(tasks, chunk);
}

static uint64_t range(uint32_t next, uint32_t end)
{
    return (uint64_t)end << 32 | next;
}

static uint32_t next_of(uint64_t own)
{
    return (uint32_t)own;
}

static uint32_t end_of(uint64_t own)
{
    return (uint32_t)(own >> 32);
}

void schedule_init(struct schedule *schedule, enum schedule_kind kind, uint32_t first, uint32_t tasks,
                   uint32_t num_threads, struct schedule_cursor *cursors)
{
    bool in_chunks = kind == SCHEDULE_STATIC || kind == SCHEDULE_STEALING;
    uint32_t chunk = divide_up(tasks, num_threads);

    schedule->kind = kind;
    schedule->first = first;
    schedule->tasks = tasks;
    schedule->threads = schedule_threads(kind, tasks, num_threads);
    schedule->cursors = cursors;
    atomic_init(&schedule->taken, 0);
    for (uint32_t k = 0; k < schedule->threads; k++) {
        uint32_t begin = least(k * chunk, tasks);
        uint32_t end = begin + least(chunk, tasks - begin);

        if (in_chunks)
            atomic_init(&cursors[k].own, range(first + begin, first + end));
        else
            atomic_init(&cursors[k].own, kind == SCHEDULE_CYCLIC ? range(k, tasks) : range(0, 0));
    }
}

/* One of the thread's own tasks; step is the distance to its next. Nobody else looks at them. */
static bool next_own(struct schedule_cursor *cursor, uint32_t step, uint32_t *task)
{
    uint64_t own = atomic_load_explicit(&cursor->own, memory_order_relaxed);
    uint32_t next = next_of(own), end = end_of(own);

    if (next >= end)
        return false;
    *task = next;
    atomic_store_explicit(&cursor->own, range(step < end - next ? next + step : end, end),
                          memory_order_relaxed);
    return true;
}

static bool next_dynamic(struct schedule *schedule, uint32_t *task)
{
    uint32_t taken = atomic_load_explicit(&schedule->taken, memory_order_relaxed);

    /* Never counted up past the end, so it cannot wrap. */
    while (taken < schedule->tasks)
        if (atomic_compare_exchange_weak_explicit(&schedule->taken, &taken, taken + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *task = schedule->first + taken;
            return true;
        }
    return false;
}

static bool next_guided(struct schedule *schedule, struct schedule_cursor *cursor, uint32_t *task)
{
    uint32_t taken, block;

    if (next_own(cursor, 1, task))
        return true;
    taken = atomic_load_explicit(&schedule->taken, memory_order_relaxed);
    do {
        if (taken == schedule->tasks)
            return false;
        block = divide_up(schedule->tasks - taken, 2 * schedule->threads);
    } while (!atomic_compare_exchange_weak_explicit(&schedule->taken, &taken, taken + block,
                                                    memory_order_relaxed, memory_order_relaxed));
    *task = schedule->first + taken;
    atomic_store_explicit(&cursor->own, range(*task + 1, *task + block), memory_order_relaxed);
    return true;
}

/* ---- Stealing: an owner takes from the front, a thief from the back, both by exchanging the whole range
 * ---- */

static uint32_t rest_of(uint64_t own)
{
    return end_of(own) - next_of(own);
}

/* A range is never seen twice with tasks in it, as its first task is taken but once: the exchange cannot
 * mistake a new one for the old. */
static bool pop(struct schedule_cursor *cursor, uint32_t *task)
{
    uint64_t own = atomic_load_explicit(&cursor->own, memory_order_relaxed);

    while (rest_of(own) != 0)
        if (atomic_compare_exchange_weak_explicit(&cursor->own, &own, range(next_of(own) + 1, end_of(own)),
                                                  memory_order_relaxed, memory_order_relaxed)) {
            *task = next_of(own);
            return true;
        }
    return false;
}

static struct schedule_cursor *fullest(const struct schedule *schedule, uint64_t *own)
{
    struct schedule_cursor *found = NULL;

    *own = 0;
    for (uint32_t k = 0; k < schedule->threads; k++) {
        uint64_t theirs = atomic_load_explicit(&schedule->cursors[k].own, memory_order_relaxed);

        if (rest_of(theirs) > rest_of(*own)) {
            *own = theirs;
            found = &schedule->cursors[k];
        }
    }
    return found;
}

/* The back half, rounded up, of the fullest thread's rest becomes this thread's own. */
static bool steal(struct schedule *schedule, struct schedule_cursor *mine)
{
    struct schedule_cursor *victim;
    uint64_t own;

    while ((victim = fullest(schedule, &own)) != NULL) {
        uint32_t middle = next_of(own) + rest_of(own) / 2;

        if (atomic_compare_exchange_weak_explicit(&victim->own, &own, range(next_of(own), middle),
                                                  memory_order_relaxed, memory_order_relaxed)) {
            atomic_store_explicit(&mine->own, range(middle, end_of(own)), memory_order_relaxed);
            return true;
        }
    }
    return false;
}

bool schedule_next(struct schedule *schedule, uint32_t thread_id, uint32_t *task_id)
{
    struct schedule_cursor *cursor = &schedule->cursors[thread_id];

    switch (schedule->kind) {
    case SCHEDULE_CYCLIC:
        if (!next_own(cursor, schedule->threads, task_id))
            return false;
        *task_id += schedule->first;
        return true;
    case SCHEDULE_DYNAMIC:
        return next_dynamic(schedule, task_id);
    case SCHEDULE_GUIDED:
        return next_guided(schedule, cursor, task_id);
    case SCHEDULE_STEALING:
        while (!pop(cursor, task_id))
            if (!steal(schedule, cursor))
                return false;
        return true;
    case SCHEDULE_STATIC:
    case SCHEDULE_KINDS:
        break;
    }
    return next_own(cursor, 1, task_id);
}
