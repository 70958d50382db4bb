/* A finished run as a ComputeReply, packed record by record: a million of them take the memory of one. */
#include "service/internal.h"
#include "wire/envelope.h"
#include "wire/limits.h"

#define NS_PER_MS UINT64_C(1000000)
#define RECORDS_FIELD 1
#define SUMMARY_FIELD 2
/* Longer than any run, and more than any summary takes. */
#define LONGEST_NS (UINT64_C(1) << 48)
#define SUMMARY_BOUND 8192u

static Tilery__V1__TaskRecord task_record(const struct grid *grid, const struct run_record *record)
{
    struct tile tile = grid_tile(grid, record->task_id);
    Tilery__V1__TaskRecord out = TILERY__V1__TASK_RECORD__INIT;

    out.has_task_id = out.has_thread_id = out.has_tile_x = out.has_tile_y = out.has_tile_w = out.has_tile_h =
        1;
    out.has_start_time_ms = out.has_duration_ms = out.has_pixels_computed = 1;
    out.has_start_time_ns = out.has_duration_ns = 1;
    out.task_id = record->task_id;
    out.thread_id = record->thread_id;
    out.tile_x = tile.x;
    out.tile_y = tile.y;
    out.tile_w = grid->tile_w;
    out.tile_h = grid->tile_h;
    out.start_time_ms = record->start_ns / NS_PER_MS;
    out.duration_ms = record->duration_ns / NS_PER_MS;
    out.pixels_computed = (uint64_t)grid->tile_w * grid->tile_h;
    out.start_time_ns = record->start_ns;
    out.duration_ns = record->duration_ns;
    return out;
}

static void add_threads(const struct run *run, uint32_t threads, struct summary_message *out)
{
    for (uint32_t k = 0; k < threads; k++) {
        const struct run_thread *thread = run_thread(run, k);

        tilery__v1__thread_summary__init(&out->threads[k]);
        out->threads[k].has_thread_id = out->threads[k].has_busy_ns = out->threads[k].has_tiles = 1;
        out->threads[k].thread_id = k;
        out->threads[k].busy_ns = thread->busy_ns;
        out->threads[k].tiles = thread->tiles;
        out->pointers[k] = &out->threads[k];
    }
    out->message.threads = out->pointers;
    out->message.n_threads = threads;
}

void service_summary(const struct run *run, struct summary_message *out)
{
    const struct run_summary summary = run_summary(run);
    const struct run_spec *spec = run_spec(run);
    Tilery__V1__Summary *m = &out->message;

    tilery__v1__summary__init(m);
    m->has_wall_ns = m->has_imbalance = m->has_pixels = m->has_iterations = m->has_schedule = 1;
    m->has_tiles_planned = m->has_tiles_done = m->has_time_limited = 1;
    m->wall_ns = summary.wall_ns;
    m->imbalance = summary.imbalance;
    m->pixels = summary.pixels;
    m->iterations = summary.iterations;
    m->kernel = (char *)(uintptr_t)spec->kernel->name;
    m->schedule = (Tilery__V1__Schedule)(spec->schedule + 1);
    m->tiles_planned = summary.tiles_planned;
    m->tiles_done = summary.tiles_done;
    m->time_limited = summary.time_limited;
    add_threads(run, summary.threads, out);
}

size_t service_reply_bound(const struct run_spec *spec)
{
    const struct run_record last = {.task_id = (uint32_t)spec->grid.tiles - 1,
                                    .thread_id = SERVICE_MAX_THREADS - 1,
                                    .start_ns = LONGEST_NS,
                                    .duration_ns = LONGEST_NS};
    Tilery__V1__TaskRecord record = task_record(&spec->grid, &last);

    return spec->task_count * wire_element_size(&record.base) + SUMMARY_BOUND;
}

size_t service_reply_size(const struct run *run)
{
    const struct grid *grid = &run_spec(run)->grid;
    const struct run_record *records;
    struct summary_message summary;
    size_t count, size;

    service_summary(run, &summary);
    size = wire_element_size(&summary.message.base);
    records = run_records(run, &count);
    for (size_t i = 0; i < count; i++) {
        Tilery__V1__TaskRecord record = task_record(grid, &records[i]);

        size += wire_element_size(&record.base);
    }
    return size;
}

void service_reply_write(void *arg, uint8_t *out)
{
    const struct run *run = arg;
    const struct grid *grid = &run_spec(run)->grid;
    struct summary_message summary;
    size_t count;
    const struct run_record *records = run_records(run, &count);

    for (size_t i = 0; i < count; i++) {
        Tilery__V1__TaskRecord record = task_record(grid, &records[i]);

        out = wire_element_pack(RECORDS_FIELD, &record.base, out);
    }
    service_summary(run, &summary);
    (void)wire_element_pack(SUMMARY_FIELD, &summary.message.base, out);
}
