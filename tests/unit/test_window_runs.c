/* Real runs, on threads of their own, whose window is read while they go. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "engine/clock.h"
#include "image.h"
#include "label.h"
#include "service/window.h"
#include "suite.h"

static struct window *window;
static struct pool *pool;
static struct run *run;
static sem_t ready; /* posted when the window calls ready */
static sem_t stuck; /* posted by each thread that is about to wait for room, and at the run's end */
static sem_t ended;
static sem_t inside, gate; /* of compute_behind_the_gate */

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    sem_post(&stuck);
    return __real_pthread_cond_wait(cond, mutex);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static void post(void *arg)
{
    sem_post(arg);
}

static void on_end(void *arg)
{
    (void)arg;
    window_end(window);
    sem_post(&stuck);
    sem_post(&ended);
}

static void set_up(void)
{
    sem_init(&ready, 0, 0);
    sem_init(&stuck, 0, 0);
    sem_init(&ended, 0, 0);
    sem_init(&inside, 0, 0);
    sem_init(&gate, 0, 0);
    ck_assert_int_eq(pool_create(&pool), ENGINE_OK);
}

static void tear_down(void)
{
    pool_free(pool);
    run_free(run);
    window_free(window);
    sem_destroy(&ready);
    sem_destroy(&stuck);
    sem_destroy(&ended);
    sem_destroy(&inside);
    sem_destroy(&gate);
}

static void start(const struct run_spec *spec, size_t window_bytes)
{
    const size_t counts = spec->grid.tile_w * spec->grid.tile_h;
    const struct window_options options = {
        .bytes = window_bytes, .tile_counts = counts, .pack = label_pack, .ready = post, .arg = &ready};
    struct run_sink sink;

    ck_assert_int_eq(window_create(&options, &window), WIRE_OK);
    sink = window_sink(window);
    ck_assert_int_eq(run_create(spec, &sink, on_end, NULL, &run), ENGINE_OK);
    ck_assert_int_eq(run_start(run, pool), ENGINE_OK);
}

/* 12 tiles of 8 x 8, four across. */
static struct run_spec small_spec(uint32_t num_threads)
{
    return image_spec(image_plane(32, 24, 50), 8, 8, num_threads);
}

static void acknowledge(uint64_t cursor)
{
    struct window_batch batch;
    struct wire_error error;

    ck_assert_int_eq(window_read(window, cursor, 0, false, &batch, &error), WIRE_OK);
}

/* ---- Room ---- */

START_TEST(a_full_window_makes_a_run_wait_until_a_tile_is_acknowledged)
{
    struct run_spec spec = small_spec(1);

    start(&spec, 3 * WINDOW_TILE_BYTES(64));
    for (uint64_t acknowledged = 0; acknowledged < 9; acknowledged++) {
        wait_for(&stuck);
        ck_assert_uint_eq(window_position(window), acknowledged + 3);
        acknowledge(acknowledged + 1);
    }
    wait_for(&ended);
    ck_assert_uint_eq(window_position(window), 12);
    ck_assert_uint_eq(run_summary(run).tiles_done, 12);
}
END_TEST

START_TEST(all_threads_that_wait_end_when_the_window_is_abandoned)
{
    struct run_spec spec = small_spec(3);

    start(&spec, 3 * WINDOW_TILE_BYTES(64));
    for (int thread = 0; thread < 3; thread++)
        wait_for(&stuck);
    ck_assert_uint_eq(window_position(window), 3);
    window_abandon(window);
    wait_for(&ended);
    ck_assert_uint_eq(window_position(window), 3);
    ck_assert_uint_eq(run_summary(run).tiles_done, 3);
    ck_assert(!run_summary(run).cancelled && !run_summary(run).time_limited);
}
END_TEST

static bool compute_behind_the_gate(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns,
                                    uint32_t rows, uint16_t *counts, const atomic_bool *stop)
{
    sem_post(&inside);
    wait_for(&gate);
    return kernel_scalar.compute(plane, x, y, columns, rows, counts, stop);
}

/* One of two threads waits for the room of the other's tile, which is given up. */
START_TEST(a_tile_given_up_half_way_makes_room_and_is_not_delivered)
{
    static const struct kernel gated = {.name = "gated", .compute = compute_behind_the_gate};
    struct run_spec spec = small_spec(2);

    spec.kernel = &gated;
    start(&spec, WINDOW_TILE_BYTES(64));
    wait_for(&inside);
    wait_for(&stuck);
    run_cancel(run);
    sem_post(&gate);
    wait_for(&ended);
    ck_assert_uint_eq(window_position(window), 0);
    ck_assert(run_summary(run).cancelled);
}
END_TEST

START_TEST(all_threads_that_wait_go_on_when_all_is_acknowledged)
{
    static const struct kernel gated = {.name = "gated", .compute = compute_behind_the_gate};
    struct run_spec spec = small_spec(3);

    spec.kernel = &gated;
    start(&spec, 3 * WINDOW_TILE_BYTES(64));
    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    for (int i = 0; i < 3; i++) {
        wait_for(&inside);
        wait_for(&stuck);
    }
    acknowledge(3);
    for (int thread = 0; thread < 3; thread++)
        wait_for(&inside); /* behind the gate all at once */
    window_abandon(window);
    for (int thread = 0; thread < 3; thread++)
        sem_post(&gate);
    wait_for(&ended);
    ck_assert_uint_eq(run_summary(run).tiles_done, 6);
}
END_TEST

/* ---- Whole runs ---- */

/* A reader's image, and how often it got each tile. */
struct picture {
    const struct run_spec *spec;
    uint16_t *counts;
    unsigned *seen;
};

static void draw_tile(const struct picture *picture, const struct window_tile *tile)
{
    struct label label = label_read(tile);
    struct tile place = grid_tile(&picture->spec->grid, label.record.task_id);

    ck_assert_mem_eq(&label.tile, &place, sizeof place);
    ck_assert_uint_lt(label.record.thread_id, run_threads(run));
    picture->seen[label.record.task_id]++;
    for (uint32_t row = 0; row < place.rows; row++)
        memcpy(&picture->counts[(size_t)(place.y + row) * picture->spec->plane.width + place.x],
               &label_counts(tile)[(size_t)row * place.columns], place.columns * sizeof(uint16_t));
}

static void draw(const struct picture *picture, const struct window_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        draw_tile(picture, window_batch_tile(batch, i));
    window_release(window, batch);
}

/* Draws each batch only when the next read has acknowledged it. */
static void read_all(const struct picture *picture, uint64_t max_bytes, _Atomic uint64_t *cursor)
{
    struct window_batch batch, before = {.count = 0};
    struct wire_error error;

    do {
        ck_assert_int_eq(window_read(window, before.next_cursor, max_bytes, true, &batch, &error), WIRE_OK);
        atomic_store(cursor, before.next_cursor);
        draw(picture, &before);
        before = batch;
        if (batch.count == 0 && !batch.done)
            wait_for(&ready);
    } while (!batch.done);
    draw(picture, &batch);
}

/* Fails unless the picture is the kernel's, each of its tiles seen once, and nothing is left. */
static void check_whole(const struct picture *picture)
{
    const struct run_spec *spec = picture->spec;
    size_t pixels = (size_t)spec->plane.width * spec->plane.height;
    uint16_t *expected = image_compute(spec->kernel, &spec->plane);

    for (uint32_t task = 0; task < spec->task_count; task++)
        ck_assert_uint_eq(picture->seen[task], 1);
    ck_assert(memcmp(picture->counts, expected, pixels * sizeof *expected) == 0);
    ck_assert_uint_eq(window_position(window), spec->task_count);
    ck_assert_uint_eq(run_summary(run).tiles_done, spec->task_count);
    ck_assert_uint_eq(run_summary(run).iterations, image_sum(expected, pixels));
    free(expected);
}

/* 63 tiles, the right and the bottom ones clipped. */
static struct run_spec large_spec(uint32_t num_threads)
{
    return image_spec(image_plane(140, 104, 200), 16, 16, num_threads);
}

static void picture_make(struct picture *picture, const struct run_spec *spec)
{
    picture->spec = spec;
    picture->counts = calloc((size_t)spec->plane.width * spec->plane.height, sizeof *picture->counts);
    picture->seen = calloc(spec->task_count, sizeof *picture->seen);
    ck_assert(picture->counts != NULL && picture->seen != NULL);
}

static void picture_free(struct picture *picture)
{
    free(picture->counts);
    free(picture->seen);
}

static const struct {
    uint32_t threads;
    size_t window_bytes;
    uint64_t max_bytes;
} cases[] = {
    {1, 1, UINT64_MAX},
    {4, 1, UINT64_MAX},
    {4, 3 * WINDOW_TILE_BYTES(256), 1},
    {4, 3 * WINDOW_TILE_BYTES(256), 2 * WINDOW_TILE_BYTES(256)},
    {7, 5 * WINDOW_TILE_BYTES(256), UINT64_MAX},
    {3, 64 * WINDOW_TILE_BYTES(256), UINT64_MAX},
    {3, 64 * WINDOW_TILE_BYTES(256), 1},
};

START_TEST(the_tiles_of_a_run_make_up_the_kernel_s_image)
{
    struct run_spec spec = large_spec(cases[_i].threads);
    _Atomic uint64_t cursor;
    struct picture picture;

    picture_make(&picture, &spec);
    start(&spec, cases[_i].window_bytes);
    read_all(&picture, cases[_i].max_bytes, &cursor);
    wait_for(&ended);
    check_whole(&picture);
    picture_free(&picture);
}
END_TEST

/* A second reader, which asks for what the first one has asked for, and so acknowledges nothing. */
struct onlooker {
    struct picture picture;
    _Atomic uint64_t cursor;
    atomic_bool over;
};

static void *look_on(void *arg)
{
    struct onlooker *onlooker = arg;
    struct window_batch batch;
    struct wire_error error;

    while (!atomic_load(&onlooker->over))
        if (window_read(window, atomic_load(&onlooker->cursor), UINT64_MAX, true, &batch, &error) ==
            WIRE_OK) {
            ck_assert_uint_le(batch.next_cursor, window_position(window));
            draw(&onlooker->picture, &batch);
        }
    return NULL;
}

START_TEST(two_threads_may_read_while_the_run_goes_on)
{
    struct run_spec spec = large_spec(4);
    struct onlooker onlooker = {.cursor = 0};
    struct picture picture;
    pthread_t thread;

    picture_make(&picture, &spec);
    picture_make(&onlooker.picture, &spec);
    start(&spec, 4 * WINDOW_TILE_BYTES(256));
    ck_assert_int_eq(pthread_create(&thread, NULL, look_on, &onlooker), 0);
    read_all(&picture, UINT64_MAX, &onlooker.cursor);
    atomic_store(&onlooker.over, true);
    pthread_join(thread, NULL);
    wait_for(&ended);
    check_whole(&picture);
    picture_free(&picture);
    picture_free(&onlooker.picture);
}
END_TEST

/* ---- Time limits ---- */

static atomic_uint begun;

/* Takes at least 20 ms. */
static bool compute_slowly(const struct plane *plane, uint32_t x, uint32_t y, uint32_t columns, uint32_t rows,
                           uint16_t *counts, const atomic_bool *stop)
{
    uint64_t begin = clock_now_ns();
    bool computed;

    atomic_fetch_add(&begun, 1);
    computed = kernel_scalar.compute(plane, x, y, columns, rows, counts, stop);
    while (clock_now_ns() - begin < 20000000)
        continue;
    return computed;
}

static const struct kernel slow = {.name = "slow", .compute = compute_slowly};

START_TEST(a_run_whose_time_is_up_while_it_waits_for_room_ends)
{
    struct run_spec spec = small_spec(1);
    struct window_batch batch;
    struct wire_error error;

    atomic_store(&begun, 0);
    spec.kernel = &slow;
    spec.time_limit_ms = _i == 0 ? 0 : 19;
    start(&spec, WINDOW_TILE_BYTES(64));
    wait_for(&stuck);
    ck_assert_uint_le(window_position(window), 1);
    acknowledge(window_position(window));
    wait_for(&ended);
    ck_assert_uint_eq(window_position(window), atomic_load(&begun));
    ck_assert_uint_eq(run_summary(run).tiles_done, atomic_load(&begun));
    ck_assert(run_summary(run).time_limited);
    ck_assert_int_eq(window_read(window, window_position(window), 1, true, &batch, &error), WIRE_OK);
    ck_assert(batch.done);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("window_runs");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_full_window_makes_a_run_wait_until_a_tile_is_acknowledged);
    tcase_add_test(tests, all_threads_that_wait_end_when_the_window_is_abandoned);
    tcase_add_test(tests, a_tile_given_up_half_way_makes_room_and_is_not_delivered);
    tcase_add_test(tests, all_threads_that_wait_go_on_when_all_is_acknowledged);
    tcase_add_loop_test(tests, the_tiles_of_a_run_make_up_the_kernel_s_image, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(tests, two_threads_may_read_while_the_run_goes_on, 0, 3);
    tcase_add_loop_test(tests, a_run_whose_time_is_up_while_it_waits_for_room_ends, 0, 2);
    return suite_run("window_runs", tests);
}
