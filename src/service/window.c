#include "service/window.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct window {
    size_t bytes; /* the bound */
    void (*ready)(void *arg);
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t room;
    size_t held;                      /* of tiles being computed or not acknowledged */
    struct window_tile *first, *last; /* finished and not acknowledged */
    uint64_t acknowledged, position;  /* of first; after last */
    size_t come;                      /* bytes of first to last */
    uint64_t wanted;                  /* by a reader that waits; 0: none does */
    bool ended, abandoned;
};

enum wire_status window_create(size_t bytes, void (*ready)(void *arg), void *arg, struct window **out)
{
    struct window *window = calloc(1, sizeof *window);

    *out = window;
    if (window == NULL)
        return WIRE_RESOURCE_EXHAUSTED;
    window->bytes = bytes;
    window->ready = ready;
    window->arg = arg;
    pthread_mutex_init(&window->mutex, NULL);
    pthread_cond_init(&window->room, NULL);
    return WIRE_OK;
}

/* What a tile takes, here and about as much in a reply. */
static size_t tile_bytes(struct tile tile)
{
    return sizeof(struct window_tile) + (size_t)tile.columns * tile.rows * sizeof(uint16_t);
}

/* Tiles that nobody needs any more; freed without the mutex, which the run's threads want for every tile. */
static void free_tiles(struct window_tile *list)
{
    for (struct window_tile *next; list != NULL; list = next) {
        next = list->next;
        free(list);
    }
}

/* The mutex is held. A tile that was the last one's goes to the list. */
static void unref(struct window_tile *tile, struct window_tile **list)
{
    if (--tile->refs != 0)
        return;
    tile->next = *list;
    *list = tile;
}

/* The mutex is held. */
static void drop_first(struct window *window, struct window_tile **list)
{
    struct window_tile *tile = window->first;

    window->first = tile->next;
    if (window->first == NULL)
        window->last = NULL;
    window->held -= tile_bytes(tile->tile);
    window->come -= tile_bytes(tile->tile);
    window->acknowledged++;
    unref(tile, list);
}

void window_free(struct window *window)
{
    struct window_tile *list = NULL;

    if (window == NULL)
        return;
    while (window->first != NULL)
        drop_first(window, &list);
    free_tiles(list);
    pthread_cond_destroy(&window->room);
    pthread_mutex_destroy(&window->mutex);
    free(window);
}

/* Unlocks, and tells a reader that waits. */
static void unlock_and_tell(struct window *window)
{
    bool tell = window->wanted != 0;

    window->wanted = 0;
    pthread_mutex_unlock(&window->mutex);
    if (tell)
        window->ready(window->arg);
}

/* The mutex is held. Before it waits, a reader that waits for more than there is room for is given what there
 * is. */
static void wait_for_room(struct window *window)
{
    if (window->wanted == 0 || window->come == 0) {
        pthread_cond_wait(&window->room, &window->mutex);
        return;
    }
    unlock_and_tell(window);
    pthread_mutex_lock(&window->mutex);
}

static void give_room_back(struct window *window, size_t bytes)
{
    pthread_mutex_lock(&window->mutex);
    window->held -= bytes;
    pthread_cond_broadcast(&window->room);
    pthread_mutex_unlock(&window->mutex);
}

/* Room for a tile, waited for; NULL when nobody reads any more, or there is no memory. */
static uint16_t *acquire(void *arg, uint32_t task_id, struct tile tile)
{
    struct window *window = arg;
    size_t bytes = tile_bytes(tile);
    struct window_tile *out;
    bool abandoned;

    (void)task_id;
    pthread_mutex_lock(&window->mutex);
    while (!window->abandoned && window->held != 0 &&
           (bytes > window->bytes || window->held > window->bytes - bytes))
        wait_for_room(window);
    abandoned = window->abandoned;
    window->held += abandoned ? 0 : bytes;
    pthread_mutex_unlock(&window->mutex);
    if (abandoned)
        return NULL;
    out = malloc(bytes);
    if (out != NULL)
        return out->counts;
    give_room_back(window, bytes);
    return NULL;
}

/* The mutex is held. */
static void append(struct window *window, struct window_tile *tile)
{
    tile->next = NULL;
    tile->refs = 1;
    *(window->last != NULL ? &window->last->next : &window->first) = tile;
    window->last = tile;
    window->come += tile_bytes(tile->tile);
    window->position++;
}

static void finish(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                   bool computed)
{
    struct window *window = arg;
    struct window_tile *mine =
        (struct window_tile *)(void *)((char *)counts - offsetof(struct window_tile, counts));

    mine->record = *record;
    mine->tile = tile;
    pthread_mutex_lock(&window->mutex);
    if (computed && !window->abandoned) {
        append(window, mine);
        if (window->come >= window->wanted)
            unlock_and_tell(window);
        else
            pthread_mutex_unlock(&window->mutex);
        return;
    }
    pthread_mutex_unlock(&window->mutex);
    give_room_back(window, tile_bytes(tile));
    free(mine);
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

/* The mutex is held. */
static void acknowledge(struct window *window, uint64_t cursor, struct window_tile **list)
{
    if (window->acknowledged == cursor)
        return;
    while (window->acknowledged < cursor)
        drop_first(window, list);
    pthread_cond_broadcast(&window->room);
}

/* The mutex is held. */
static void take(struct window *window, uint64_t max_bytes, struct window_batch *batch)
{
    uint64_t bytes = 0;

    for (struct window_tile *tile = window->first; tile != NULL && max_bytes != 0; tile = tile->next) {
        bytes += tile_bytes(tile->tile);
        if (batch->count != 0 && bytes > max_bytes)
            break;
        tile->refs++;
        batch->count++;
        batch->last = tile;
    }
    batch->first = window->first;
    batch->next_cursor = window->acknowledged + batch->count;
    batch->come = window->come;
    batch->done = window->ended && batch->next_cursor == window->position;
}

enum wire_status window_read(struct window *window, uint64_t cursor, uint64_t max_bytes, uint64_t wait,
                             struct window_batch *batch, struct wire_error *error)
{
    enum wire_status status = WIRE_OK;
    struct window_tile *list = NULL;

    *batch = (struct window_batch){.count = 0};
    pthread_mutex_lock(&window->mutex);
    if (cursor < window->acknowledged || cursor > window->position) {
        status = wire_error_set(error, WIRE_INVALID_ARGUMENT,
                                "cursor is %" PRIu64 "; it must be from %" PRIu64 " to %" PRIu64, cursor,
                                window->acknowledged, window->position);
    } else {
        acknowledge(window, cursor, &list);
        take(window, max_bytes, batch);
        if (batch->count == 0 && !batch->done && window->come < wait)
            window->wanted = wait;
    }
    pthread_mutex_unlock(&window->mutex);
    free_tiles(list);
    return status;
}

void window_release(struct window *window, const struct window_batch *batch)
{
    struct window_tile *tile = batch->first, *next, *list = NULL;

    pthread_mutex_lock(&window->mutex);
    for (size_t i = 0; i < batch->count; i++, tile = next) {
        next = tile->next;
        unref(tile, &list);
    }
    pthread_mutex_unlock(&window->mutex);
    free_tiles(list);
}

uint64_t window_position(struct window *window)
{
    uint64_t position;

    pthread_mutex_lock(&window->mutex);
    position = window->position;
    pthread_mutex_unlock(&window->mutex);
    return position;
}
