#include "tiles.h"

#include <check.h>
#include <pthread.h>
#include <string.h>

#include "label.h"

struct window *window;
struct run_sink sink;
struct window_batch batch;
struct wire_error error;
unsigned ready_calls, waits;
void (*on_wait)(void);

const uint32_t in_order[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static uint64_t acknowledged; /* by tiles_acknowledge_one */

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    (void)cond;
    waits++;
    pthread_mutex_unlock(mutex);
    ck_assert_msg(on_wait != NULL, "there is no room");
    on_wait();
    pthread_mutex_lock(mutex);
    return 0;
}

/* Hangs if the window's mutex is held. */
static void count_ready(void *arg)
{
    ck_assert_ptr_eq(arg, &ready_calls);
    (void)window_position(window);
    ready_calls++;
}

static void make(size_t bytes)
{
    const struct window_options options = {
        .bytes = bytes, .tile_counts = PIXELS, .pack = label_pack, .ready = count_ready, .arg = &ready_calls};

    ck_assert_int_eq(window_create(&options, &window), WIRE_OK);
    sink = window_sink(window);
}

void tiles_set_up(void)
{
    ready_calls = waits = 0;
    on_wait = NULL;
    acknowledged = 0;
    make(3 * TILE_BYTES);
}

void tiles_tear_down(void)
{
    window_free(window);
}

void tiles_make(size_t bytes)
{
    window_free(window);
    make(bytes);
}

static struct tile tile_of(uint32_t task_id)
{
    return (struct tile){.x = task_id * SIDE, .y = task_id, .columns = SIDE, .rows = SIDE};
}

uint16_t *tiles_begin(uint32_t task_id)
{
    uint16_t *counts = sink.acquire(sink.arg, task_id, tile_of(task_id));

    ck_assert_ptr_nonnull(counts);
    for (uint32_t i = 0; i < PIXELS; i++)
        counts[i] = (uint16_t)(1000 * task_id + i);
    return counts;
}

void tiles_end(uint32_t task_id, uint16_t *counts, bool computed)
{
    struct run_record record = {.task_id = task_id, .thread_id = task_id + 1, .start_ns = 10 * task_id};

    sink.finish(sink.arg, &record, tile_of(task_id), counts, computed);
}

void tiles_put(uint32_t task_id)
{
    tiles_end(task_id, tiles_begin(task_id), true);
}

void tiles_put_three(void)
{
    for (uint32_t task_id = 0; task_id < 3; task_id++)
        tiles_put(task_id);
}

void tiles_read(uint64_t cursor, uint64_t max_bytes, uint64_t wait)
{
    ck_assert_msg(window_read(window, cursor, max_bytes, wait, &batch, &error) == WIRE_OK, "%s",
                  error.message);
}

static void check_tile(const struct window_tile *tile, uint32_t task_id)
{
    struct tile place = tile_of(task_id);
    struct label label = label_read(tile);

    ck_assert_uint_eq(label.record.task_id, task_id);
    ck_assert_uint_eq(label.record.thread_id, task_id + 1);
    ck_assert_uint_eq(label.record.start_ns, 10 * task_id);
    ck_assert_mem_eq(&label.tile, &place, sizeof place);
    for (uint32_t i = 0; i < PIXELS; i++)
        ck_assert_uint_eq(label_counts(tile)[i], 1000 * task_id + i);
}

void tiles_check(const struct window_batch *of, size_t count, const uint32_t *tasks)
{
    ck_assert_uint_eq(of->count, count);
    for (size_t i = 0; i < count; i++)
        check_tile(window_batch_tile(of, i), tasks[i]);
}

void tiles_check_read(uint64_t cursor, size_t count, const uint32_t *tasks)
{
    tiles_read(cursor, UINT64_MAX, false);
    tiles_check(&batch, count, tasks);
    ck_assert_uint_eq(batch.next_cursor, cursor + count);
    window_release(window, &batch);
}

void tiles_check_refused(uint64_t cursor, const char *message)
{
    error.message[0] = '\0';
    memset(&batch, 0xff, sizeof batch);
    ck_assert_int_eq(window_read(window, cursor, UINT64_MAX, true, &batch, &error), WIRE_INVALID_ARGUMENT);
    ck_assert_int_eq(error.status, WIRE_INVALID_ARGUMENT);
    ck_assert_str_eq(error.message, message);
    ck_assert_uint_eq(batch.count, 0);
    window_release(window, &batch);
}

void tiles_acknowledge_one(void)
{
    tiles_read(++acknowledged, 0, false);
}

void tiles_acknowledge_all(void)
{
    tiles_read(window_position(window), 0, false);
}
