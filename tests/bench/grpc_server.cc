#include "grpc_sides.h"

#include <cstdio>
#include <memory>

#include <grpcpp/grpcpp.h>

#include "compute.grpc.pb.h"
#include "grpc_work.h"

namespace
{

constexpr uint64_t ns_per_ms = 1000000;

/* A call in hand: deleted when it is answered. */
struct Call {
    grpc::ServerUnaryReactor *reactor;
    tilery::v1::ComputeReply *reply;
};

void add_record(const struct work_record &record, tilery::v1::TaskRecord *out)
{
    out->set_task_id(record.task_id);
    out->set_thread_id(record.thread_id);
    out->set_tile_x(record.tile_x);
    out->set_tile_y(record.tile_y);
    out->set_tile_w(record.tile_w);
    out->set_tile_h(record.tile_h);
    out->set_start_time_ms(record.start_ns / ns_per_ms);
    out->set_duration_ms(record.duration_ns / ns_per_ms);
    out->set_pixels_computed(uint64_t{record.tile_w} * record.tile_h);
    out->set_start_time_ns(record.start_ns);
    out->set_duration_ns(record.duration_ns);
}

void add_summary(const struct work *work, const struct work_summary &summary, tilery::v1::Summary *out)
{
    out->set_wall_ns(summary.wall_ns);
    out->set_imbalance(summary.imbalance);
    out->set_pixels(summary.pixels);
    out->set_iterations(summary.iterations);
    out->set_kernel(summary.kernel);
    out->set_schedule(tilery::v1::SCHEDULE_STATIC);
    out->set_tiles_planned(summary.tiles_planned);
    out->set_tiles_done(summary.tiles_done);
    out->set_time_limited(summary.time_limited);
    for (uint32_t k = 0; k < summary.threads; k++) {
        const struct work_thread thread = work_thread(work, k);
        tilery::v1::ThreadSummary *added = out->add_threads();

        added->set_thread_id(k);
        added->set_busy_ns(thread.busy_ns);
        added->set_tiles(thread.tiles);
    }
}

void on_done(void *arg, struct work *work)
{
    const std::unique_ptr<Call> call(static_cast<Call *>(arg));
    const struct work_summary summary = work_summary(work);

    call->reply->mutable_records()->Reserve(static_cast<int>(summary.tiles_done));
    for (size_t i = 0; i < summary.tiles_done; i++)
        add_record(work_record(work, i), call->reply->add_records());
    add_summary(work, summary, call->reply->mutable_summary());
    work_free(work);
    call->reactor->Finish(grpc::Status::OK);
}

class Service final : public tilery::v1::TileCompute::CallbackService
{
  public:
    explicit Service(struct works *works) : works_(works)
    {
    }

    grpc::ServerUnaryReactor *Compute(grpc::CallbackServerContext *context,
                                      const tilery::v1::ComputeRequest *request,
                                      tilery::v1::ComputeReply *reply) override
    {
        const struct work_request work = {
            request->width(),    request->height(),        request->tile_w(),     request->tile_h(),
            request->max_iter(), request->time_limit_ms(), request->num_threads()};
        grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
        auto call = std::make_unique<Call>(Call{reactor, reply});

        if (work_start(works_, &work, on_done, call.get()))
            (void)call.release();
        else
            reactor->Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "busy"));
        return reactor;
    }

  private:
    struct works *works_;
};

} // namespace

bool rival_serve(char *bound, size_t size)
{
    struct works *works = works_create();
    grpc::ServerBuilder builder;
    int port = 0;

    if (works == nullptr)
        return false;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(new Service(works));
    if (builder.BuildAndStart().release() == nullptr)
        return false;
    (void)std::snprintf(bound, size, "127.0.0.1:%d", port);
    return true;
}
