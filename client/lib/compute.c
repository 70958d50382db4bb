/* Compute: the call, and its result. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "internal.h"
#include "plan.h"

#define COMPUTE "tilery.v1.TileCompute/Compute"

typedef Tilery__V1__ComputeReply ComputeReply;
typedef Tilery__V1__Summary Summary;
typedef Tilery__V1__TaskRecord TaskRecord;

struct tilery_result {
    struct wire_arena arena;
    struct wire_reply head;
    const ComputeReply *reply;
};

void call_fill_request(const struct tilery_compute_request *in, Tilery__V1__Region *region,
                       Tilery__V1__ComputeRequest *out)
{
    tilery__v1__compute_request__init(out);
    tilery__v1__region__init(region);
    out->has_width = out->has_height = out->has_tile_w = out->has_tile_h = out->has_max_iter = 1;
    out->has_time_limit_ms = out->has_num_threads = out->has_mode = out->has_schedule = 1;
    out->width = in->width;
    out->height = in->height;
    out->tile_w = in->tile_w;
    out->tile_h = in->tile_h;
    out->max_iter = in->max_iter;
    out->time_limit_ms = in->time_limit_ms;
    out->num_threads = in->num_threads;
    out->mode = (Tilery__V1__Mode)in->mode;
    out->schedule = (Tilery__V1__Schedule)in->schedule;
    if (in->kernel != NULL)
        out->kernel = (char *)(uintptr_t)in->kernel;
    region->has_re_min = region->has_im_min = region->has_re_span = region->has_im_span = 1;
    region->re_min = in->region.re_min;
    region->im_min = in->region.im_min;
    region->re_span = in->region.re_span;
    region->im_span = in->region.im_span;
    out->region = region;
    out->has_first_task = in->first_task != 0;
    out->first_task = in->first_task;
    out->has_task_count = in->task_count != 0;
    out->task_count = in->task_count;
}

/* What is left undone is so by the time limit, of which the summary tells. */
static enum wire_status check_whole(const ComputeReply *reply, const struct plan *plan,
                                    struct wire_error *error)
{
    const Tilery__V1__Summary *summary = reply->summary;

    if (summary == NULL && reply->n_records < plan->count)
        return wire_error_set(error, WIRE_INTERNAL, "%zu records came for %" PRIu64 " tasks, and no summary",
                              reply->n_records, plan->count);
    if (summary != NULL && (summary->tiles_planned != plan->count || summary->tiles_done != reply->n_records))
        return wire_error_set(error, WIRE_INTERNAL,
                              "%zu records came for %" PRIu64 " tasks; the summary tells of %" PRIu64
                              " of %" PRIu64,
                              reply->n_records, plan->count, summary->tiles_done, summary->tiles_planned);
    return WIRE_OK;
}

static enum wire_status check_reply(const ComputeReply *reply, const struct plan *plan,
                                    struct wire_error *error)
{
    if (reply->n_records > plan->count)
        return wire_error_set(error, WIRE_INTERNAL, "%zu records came for %" PRIu64 " tasks",
                              reply->n_records, plan->count);
    for (size_t i = 0; i < reply->n_records; i++)
        if (!plan_has(plan, reply->records[i]->task_id))
            return wire_error_set(error, WIRE_INTERNAL,
                                  "task %" PRIu32 " came; %" PRIu64 " from %" PRIu64 " on were asked for",
                                  reply->records[i]->task_id, plan->count, plan->first);
    if (reply->summary != NULL)
        call_make_printable(reply->summary->kernel);
    return check_whole(reply, plan, error);
}

static enum wire_status make_result(nng_msg *msg, const struct plan *plan, tilery_result **out,
                                    struct wire_error *error)
{
    tilery_result *result = malloc(sizeof *result);
    ProtobufCMessage *reply;

    *out = NULL;
    if (result == NULL) {
        nng_msg_free(msg);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the result");
    }
    wire_arena_init(&result->arena, WIRE_REPLY_ARENA);
    if (call_decode(msg, &tilery__v1__compute_reply__descriptor, &result->arena, &result->head, &reply,
                    error) != WIRE_OK ||
        check_reply((const ComputeReply *)(const void *)reply, plan, error) != WIRE_OK) {
        tilery_result_free(result);
        return error->status;
    }
    result->reply = (const ComputeReply *)(const void *)reply;
    *out = result;
    return WIRE_OK;
}

/*
 * A record's share of a reply's frame is at most 11 fields of a tag and a varint. Decoded it is a message and
 * a pointer to it, besides what protobuf-c notes of it on its first pass, 40 bytes in slabs that double; and
 * the arena's blocks, which double too, may leave as much again unused.
 */
#define FRAME_BYTES 96u
#define NOTED_BYTES 80u
#define IN_ARENA(type) (2 * (sizeof(type) + _Alignof(max_align_t) + sizeof(type *) + NOTED_BYTES))
#define FIRST_BYTES 16384u

size_t tilery_compute_request_bytes(const struct tilery_compute_request *request)
{
    uint64_t tasks = plan_of(request).count;
    uint64_t threads = request->num_threads < tasks ? request->num_threads : tasks;

    if (tasks == 0)
        return 0;
    return (size_t)(FIRST_BYTES + tasks * (FRAME_BYTES + IN_ARENA(TaskRecord)) +
                    threads * (FRAME_BYTES + IN_ARENA(Tilery__V1__ThreadSummary)));
}

size_t tilery_result_bytes(const tilery_result *result)
{
    return sizeof *result + result->arena.taken;
}

void tilery_result_free(tilery_result *result)
{
    if (result == NULL)
        return;
    wire_arena_fini(&result->arena);
    free(result);
}

enum tilery_status tilery_compute(tilery_client *client, const struct tilery_compute_request *request,
                                  const struct tilery_call_options *options, tilery_result **out,
                                  struct tilery_error *error)
{
    const struct plan plan = plan_of(request);
    Tilery__V1__ComputeRequest message;
    const struct call_spec spec = {
        .method = COMPUTE, .request = &message.base, .options = options, .retry = true};
    Tilery__V1__Region region;
    struct wire_error why;
    nng_msg *msg;

    *out = NULL;
    call_fill_request(request, &region, &message);
    if (call_blocking(client, &spec, &msg, NULL, &why) != WIRE_OK ||
        make_result(msg, &plan, out, &why) != WIRE_OK)
        return call_error(error, &why);
    return TILERY_OK;
}

struct pending {
    struct plan plan;
    tilery_compute_fn *done;
    void *arg;
};

static void finish_async(void *arg, nng_msg *msg, struct server *server, const struct wire_error *error)
{
    struct pending pending = *(struct pending *)arg;
    struct tilery_error public_error;
    struct wire_error why;
    tilery_result *result = NULL;

    (void)server;
    free(arg);
    if (msg == NULL)
        why = *error;
    if (msg != NULL && make_result(msg, &pending.plan, &result, &why) == WIRE_OK) {
        pending.done(pending.arg, result, NULL);
        return;
    }
    (void)call_error(&public_error, &why);
    pending.done(pending.arg, NULL, &public_error);
}

enum tilery_status tilery_compute_async(tilery_client *client, const struct tilery_compute_request *request,
                                        const struct tilery_call_options *options, tilery_compute_fn *done,
                                        void *arg, struct tilery_error *error)
{
    Tilery__V1__ComputeRequest message;
    const struct call_spec spec = {
        .method = COMPUTE, .request = &message.base, .options = options, .retry = true};
    Tilery__V1__Region region;
    struct pending *pending = malloc(sizeof *pending);
    struct wire_error why;

    if (pending == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
        return call_error(error, &why);
    }
    *pending = (struct pending){plan_of(request), done, arg};
    call_fill_request(request, &region, &message);
    if (call_start(client, &spec, finish_async, pending, &why) == WIRE_OK)
        return TILERY_OK;
    free(pending);
    return call_error(error, &why);
}

size_t tilery_result_count(const tilery_result *result)
{
    return result->reply->n_records;
}

struct tilery_record tilery_result_record(const tilery_result *result, size_t i)
{
    const TaskRecord *record = result->reply->records[i];

    return (struct tilery_record){.task_id = record->task_id,
                                  .thread_id = record->thread_id,
                                  .tile_x = record->tile_x,
                                  .tile_y = record->tile_y,
                                  .tile_w = record->tile_w,
                                  .tile_h = record->tile_h,
                                  .start_time_ms = record->start_time_ms,
                                  .duration_ms = record->duration_ms,
                                  .pixels_computed = record->pixels_computed,
                                  .start_time_ns = record->start_time_ns,
                                  .duration_ns = record->duration_ns};
}

struct tilery_summary call_summary(const Summary *summary)
{
    static const Summary none = TILERY__V1__SUMMARY__INIT;

    if (summary == NULL)
        summary = &none;
    return (struct tilery_summary){.wall_ns = summary->wall_ns,
                                   .imbalance = summary->imbalance,
                                   .pixels = summary->pixels,
                                   .iterations = summary->iterations,
                                   .tiles_planned = summary->tiles_planned,
                                   .tiles_done = summary->tiles_done,
                                   .time_limited = summary->time_limited,
                                   .schedule = (enum tilery_schedule)summary->schedule,
                                   .kernel = summary->kernel != NULL ? summary->kernel : "",
                                   .threads = summary->n_threads};
}

struct tilery_summary tilery_result_summary(const tilery_result *result)
{
    struct tilery_summary summary = call_summary(result->reply->summary);

    summary.queue_ns = result->head.queue_ns;
    summary.run_ns = result->head.run_ns;
    return summary;
}

struct tilery_thread tilery_result_thread(const tilery_result *result, size_t i)
{
    const Tilery__V1__ThreadSummary *thread = result->reply->summary->threads[i];

    return (struct tilery_thread){thread->thread_id, thread->busy_ns, thread->tiles};
}
