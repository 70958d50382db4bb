#include "engine/schedule.h"

static const char *const names[SCHEDULE_KINDS] = {[SCHEDULE_STATIC] = "static"};

const char *schedule_name(enum schedule_kind kind)
{
    return names[kind];
}

static uint32_t chunk_size(uint32_t tasks, uint32_t num_threads)
{
    return tasks / num_threads + (tasks % num_threads != 0);
}

uint32_t schedule_threads(enum schedule_kind kind, uint32_t tasks, uint32_t num_threads)
{
    uint32_t chunk = chunk_size(tasks, num_threads);

    (void)kind;
    return chunk == 0 ? 0 : chunk_size(tasks, chunk);
}

void schedule_init(struct schedule *schedule, enum schedule_kind kind, uint32_t first, uint32_t tasks,
                   uint32_t num_threads, struct schedule_cursor *cursors)
{
    uint32_t used = schedule_threads(kind, tasks, num_threads);
    uint32_t chunk = chunk_size(tasks, num_threads);

    *schedule = (struct schedule){.kind = kind, .cursors = cursors};
    for (uint32_t k = 0; k < used; k++) {
        uint32_t begin = k * chunk;

        cursors[k].next = first + begin;
        cursors[k].end = first + (chunk < tasks - begin ? begin + chunk : tasks);
    }
}

bool schedule_next(struct schedule *schedule, uint32_t thread_id, uint32_t *task_id)
{
    struct schedule_cursor *cursor = &schedule->cursors[thread_id];

    if (cursor->next == cursor->end)
        return false;
    *task_id = cursor->next++;
    return true;
}
