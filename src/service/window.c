#include "service/window.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct window {
    struct window_options options;
    size_t capacity;       /* in tiles */
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t room;
    size_t computing; /* tiles that are being computed */
    struct window_tile *ring;
    /* What is released may be used again. What is acknowledged, but not released, may be in a reader's hands.
     */
    uint64_t released, acknowledged, position;
    uint64_t bytes;  /* from acknowledged on */
    size_t readers;  /* batches that were not released yet */
    uint8_t **spare; /* memory for further tiles: what was used last is still in a cache */
    size_t spares;
    uint64_t wanted; /* by a reader that waits; 0: none does */
    bool ended, abandoned;
};

enum wire_status window_create(const struct window_options *options, struct window **out)
{
    struct window *window = calloc(1, sizeof *window);
    size_t tile_bytes = WINDOW_TILE_BYTES(options->tile_counts);

    *out = window;
    if (window == NULL)
        return WIRE_RESOURCE_EXHAUSTED;
    window->options = *options;
    window->capacity = options->bytes > tile_bytes ? options->bytes / tile_bytes : 1;
    window->ring = malloc(window->capacity * sizeof *window->ring);
    window->spare = malloc(window->capacity * sizeof *window->spare);
    pthread_mutex_init(&window->mutex, NULL);
    pthread_cond_init(&window->room, NULL);
    if (window->ring != NULL && window->spare != NULL)
        return WIRE_OK;
    window_free(window);
    *out = NULL;
    return WIRE_RESOURCE_EXHAUSTED;
}

/* The mutex is held. */
static struct window_tile *tile_at(const struct window *window, uint64_t position)
{
    return &window->ring[position % window->capacity];
}

void window_free(struct window *window)
{
    if (window == NULL)
        return;
    for (uint64_t i = window->released; i < window->position; i++)
        free(tile_at(window, i)->memory);
    for (size_t i = 0; i < window->spares; i++)
        free(window->spare[i]);
    free(window->ring);
    free(window->spare);
    pthread_cond_destroy(&window->room);
    pthread_mutex_destroy(&window->mutex);
    free(window);
}

/* The mutex is held. */
static bool is_plenty(const struct window *window)
{
    return window->position - window->acknowledged > window->capacity / 2;
}

/* The mutex is held. */
static bool is_full(const struct window *window)
{
    return window->computing + (window->position - window->released) >= window->capacity;
}

/* Unlocks, and tells a reader that waits. */
static void unlock_and_tell(struct window *window)
{
    bool tell = window->wanted != 0;

    window->wanted = 0;
    pthread_mutex_unlock(&window->mutex);
    if (tell)
        window->options.ready(window->options.arg);
}

/* The mutex is held. Before it waits, a reader that waits for more than there is room for is given what there
 * is. */
static void wait_for_room(struct window *window)
{
    if (window->wanted == 0 || window->position == window->acknowledged) {
        pthread_cond_wait(&window->room, &window->mutex);
        return;
    }
    unlock_and_tell(window);
    pthread_mutex_lock(&window->mutex);
}

/* A tile is not being computed any more. NULL: there was no memory for it. */
static void give_room_back(struct window *window, uint8_t *memory)
{
    pthread_mutex_lock(&window->mutex);
    window->computing--;
    if (memory != NULL)
        window->spare[window->spares++] = memory;
    pthread_cond_broadcast(&window->room);
    pthread_mutex_unlock(&window->mutex);
}

static uint16_t *counts_in(uint8_t *memory)
{
    return (uint16_t *)(void *)(memory + WINDOW_HEAD_BYTES);
}

/* Room for a tile, waited for; NULL when nobody reads any more, or there is no memory. */
static uint16_t *acquire(void *arg, uint32_t task_id, struct tile tile)
{
    struct window *window = arg;
    uint8_t *memory = NULL;
    bool abandoned;

    (void)task_id;
    (void)tile;
    pthread_mutex_lock(&window->mutex);
    while (!window->abandoned && is_full(window))
        wait_for_room(window);
    abandoned = window->abandoned;
    window->computing += !abandoned;
    if (!abandoned && window->spares != 0)
        memory = window->spare[--window->spares];
    pthread_mutex_unlock(&window->mutex);
    if (abandoned)
        return NULL;
    if (memory == NULL)
        memory = malloc(WINDOW_HEAD_BYTES + window->options.tile_counts * sizeof(uint16_t));
    if (memory != NULL)
        return counts_in(memory);
    give_room_back(window, NULL);
    return NULL;
}

static struct window_tile packed(const struct window *window, const struct run_record *record,
                                 struct tile tile, uint8_t *memory)
{
    struct window_packed packed = window->options.pack(window->options.arg, record, tile, counts_in(memory));

    return (struct window_tile){.bytes = memory + WINDOW_HEAD_BYTES - packed.head,
                                .len = packed.head + packed.counts,
                                .memory = memory};
}

static void finish(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                   bool computed)
{
    struct window *window = arg;
    uint8_t *memory = (uint8_t *)counts - WINDOW_HEAD_BYTES;
    struct window_tile mine = {NULL, 0, NULL};

    if (computed)
        mine = packed(window, record, tile, memory);
    pthread_mutex_lock(&window->mutex);
    if (computed && !window->abandoned) {
        window->computing--;
        *tile_at(window, window->position++) = mine;
        window->bytes += mine.len;
        if (window->bytes >= window->wanted || is_plenty(window))
            unlock_and_tell(window);
        else
            pthread_mutex_unlock(&window->mutex);
        return;
    }
    pthread_mutex_unlock(&window->mutex);
    give_room_back(window, memory);
}

struct run_sink window_sink(struct window *window)
{
    return (struct run_sink){.acquire = acquire, .finish = finish, .arg = window};
}

void window_end(struct window *window)
{
    pthread_mutex_lock(&window->mutex);
    window->ended = true;
    unlock_and_tell(window);
}

void window_abandon(struct window *window)
{
    pthread_mutex_lock(&window->mutex);
    window->abandoned = true;
    pthread_cond_broadcast(&window->room);
    pthread_mutex_unlock(&window->mutex);
}

/* The mutex is held. What nobody needs any more, or can still hold, makes room. */
static void recycle(struct window *window)
{
    if (window->readers != 0 || window->released == window->acknowledged)
        return;
    for (; window->released < window->acknowledged; window->released++)
        window->spare[window->spares++] = tile_at(window, window->released)->memory;
    pthread_cond_broadcast(&window->room);
}

/* The mutex is held. */
static void acknowledge(struct window *window, uint64_t cursor)
{
    for (; window->acknowledged < cursor; window->acknowledged++)
        window->bytes -= tile_at(window, window->acknowledged)->len;
    recycle(window);
}

/* The mutex is held. Whether the batch goes on with the next tile. */
static bool fits(const struct window *window, const struct window_batch *batch, uint64_t max_bytes)
{
    return batch->next_cursor < window->position && max_bytes != 0 &&
           (batch->count == 0 || batch->bytes + tile_at(window, batch->next_cursor)->len <= max_bytes);
}

/* The mutex is held. */
static void take(struct window *window, uint64_t max_bytes, struct window_batch *batch)
{
    *batch = (struct window_batch){.ring = window->ring,
                                   .capacity = window->capacity,
                                   .at = window->acknowledged % window->capacity,
                                   .next_cursor = window->acknowledged,
                                   .come = window->bytes,
                                   .plenty = is_plenty(window)};
    for (; fits(window, batch, max_bytes); batch->count++, batch->next_cursor++)
        batch->bytes += tile_at(window, batch->next_cursor)->len;
    batch->done = window->ended && batch->next_cursor == window->position;
    window->readers += batch->count != 0;
}

enum wire_status window_read(struct window *window, uint64_t cursor, uint64_t max_bytes, uint64_t wait,
                             struct window_batch *batch, struct wire_error *error)
{
    enum wire_status status = WIRE_OK;

    *batch = (struct window_batch){.count = 0};
    pthread_mutex_lock(&window->mutex);
    if (cursor < window->acknowledged || cursor > window->position) {
        status = wire_error_set(error, WIRE_INVALID_ARGUMENT,
                                "cursor is %" PRIu64 "; it must be from %" PRIu64 " to %" PRIu64, cursor,
                                window->acknowledged, window->position);
    } else {
        acknowledge(window, cursor);
        take(window, max_bytes, batch);
        if (batch->count == 0 && !batch->done && !batch->plenty && batch->come < wait)
            window->wanted = wait;
    }
    pthread_mutex_unlock(&window->mutex);
    return status;
}

void window_release(struct window *window, const struct window_batch *batch)
{
    pthread_mutex_lock(&window->mutex);
    window->readers -= batch->count != 0;
    recycle(window);
    pthread_mutex_unlock(&window->mutex);
}

uint64_t window_position(struct window *window)
{
    uint64_t position;

    pthread_mutex_lock(&window->mutex);
    position = window->position;
    pthread_mutex_unlock(&window->mutex);
    return position;
}
