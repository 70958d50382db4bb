#include "image.h"

#include <check.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

struct plane image_plane(uint32_t width, uint32_t height, uint32_t max_iter)
{
    return (struct plane){.re_min = -2.5,
                          .im_min = -1.0,
                          .re_span = 3.5,
                          .im_span = 2.0,
                          .width = width,
                          .height = height,
                          .max_iter = max_iter};
}

struct run_spec image_spec(struct plane plane, uint32_t tile_w, uint32_t tile_h, uint32_t num_threads)
{
    struct grid grid = grid_make(plane.width, plane.height, tile_w, tile_h);

    return (struct run_spec){.grid = grid,
                             .plane = plane,
                             .kernel = &kernel_scalar,
                             .schedule = SCHEDULE_STATIC,
                             .num_threads = num_threads,
                             .time_limit_ms = 600000,
                             .task_count = (uint32_t)grid.tiles};
}

struct run_spec image_small(uint32_t num_threads)
{
    return image_spec(image_plane(100, 70, 200), 32, 32, num_threads);
}

uint16_t *image_compute(const struct kernel *kernel, const struct plane *plane)
{
    uint16_t *counts = malloc((size_t)plane->width * plane->height * sizeof *counts);
    atomic_bool stop = false;

    ck_assert_ptr_nonnull(counts);
    ck_assert(kernel->compute(plane, 0, 0, plane->width, plane->height, counts, &stop));
    return counts;
}

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t fnv1a(uint64_t hash, unsigned byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

uint64_t image_hash(const uint16_t *counts, size_t pixels)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < pixels; i++) {
        hash = fnv1a(hash, counts[i] & 0xffu);
        hash = fnv1a(hash, (unsigned)counts[i] >> 8);
    }
    return hash;
}

uint64_t image_sum(const uint16_t *counts, size_t pixels)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < pixels; i++)
        sum += counts[i];
    return sum;
}

static uint16_t *acquire(void *arg, uint32_t task_id, struct tile tile)
{
    (void)arg;
    (void)task_id;
    return malloc((size_t)tile.columns * tile.rows * sizeof(uint16_t));
}

static void finish(void *arg, const struct run_record *record, struct tile tile, uint16_t *counts,
                   bool computed)
{
    struct image *image = arg;

    (void)record;
    for (uint32_t row = 0; computed && row < tile.rows; row++)
        memcpy(&image->counts[(size_t)(tile.y + row) * image->width + tile.x],
               &counts[(size_t)row * tile.columns], tile.columns * sizeof *counts);
    free(counts);
}

struct run_sink image_sink(struct image *image)
{
    return (struct run_sink){.acquire = acquire, .finish = finish, .arg = image};
}

static void done(void *arg)
{
    sem_post(arg);
}

struct run *image_run(const struct run_spec *spec, const struct run_sink *sink)
{
    struct pool *pool;
    struct run *run;
    sem_t end;

    sem_init(&end, 0, 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
    ck_assert_int_eq(run_create(spec, sink, done, &end, &run), ENGINE_OK);
    ck_assert_int_eq(run_start(run, pool), ENGINE_OK);
    while (sem_wait(&end) != 0)
        continue;
    pool_free(pool);
    sem_destroy(&end);
    return run;
}
