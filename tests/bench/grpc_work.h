#ifndef TILERY_TESTS_BENCH_GRPC_WORK_H
#define TILERY_TESTS_BENCH_GRPC_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Tilery's engine, pool and admission without its wire, for a server that speaks gRPC: the engine's headers
 * are not C++.
 */
#ifdef __cplusplus
extern "C" {
#endif

/* With the pool and the limits of a tileryd that is not told otherwise. NULL without memory; never freed. */
struct works;
struct works *works_create(void);

struct work_request {
    uint64_t width, height, tile_w, tile_h, max_iter, time_limit_ms, num_threads;
};

/* Calls done on the run's last thread; there and then the work can be read, and is freed by work_free. False
 * when it is refused. */
struct work;
typedef void work_done_fn(void *arg, struct work *work);
bool work_start(struct works *works, const struct work_request *request, work_done_fn *done, void *arg);
void work_free(struct work *work);

struct work_record {
    uint32_t task_id, thread_id, tile_x, tile_y, tile_w, tile_h;
    uint64_t start_ns, duration_ns;
};

struct work_summary {
    uint64_t wall_ns, pixels, iterations;
    double imbalance;
    const char *kernel;
    uint32_t threads, tiles_planned, tiles_done;
    bool time_limited;
};

struct work_thread {
    uint64_t busy_ns, tiles;
};

/* Sorted as Tilery sends them; i is below tiles_done, k below threads. */
struct work_record work_record(const struct work *work, size_t i);
struct work_summary work_summary(const struct work *work);
struct work_thread work_thread(const struct work *work, uint32_t k);

#ifdef __cplusplus
}
#endif

#endif
