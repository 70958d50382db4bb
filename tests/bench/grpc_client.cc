#include "grpc_sides.h"

#include <chrono>
#include <cstdio>
#include <memory>

#include <grpcpp/grpcpp.h>

#include "compute.grpc.pb.h"

namespace
{

constexpr int records = 9;
constexpr std::chrono::seconds connect_within(10);

struct Client {
    std::unique_ptr<tilery::v1::TileCompute::Stub> stub;
};

/* Every field that libtilery sends. */
tilery::v1::ComputeRequest documented()
{
    tilery::v1::ComputeRequest request;

    request.set_width(96);
    request.set_height(96);
    request.set_tile_w(32);
    request.set_tile_h(32);
    request.set_max_iter(128);
    request.set_time_limit_ms(500);
    request.set_num_threads(2);
    request.set_mode(tilery::v1::MODE_CONCURRENT);
    request.set_schedule(tilery::v1::SCHEDULE_STATIC);
    request.mutable_region()->set_re_min(-2.5);
    request.mutable_region()->set_im_min(-1.0);
    request.mutable_region()->set_re_span(3.5);
    request.mutable_region()->set_im_span(2.0);
    return request;
}

} // namespace

void *rival_open(const struct target *target)
{
    grpc::ChannelArguments arguments;

    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const std::shared_ptr<grpc::Channel> channel =
        grpc::CreateCustomChannel(target->url, grpc::InsecureChannelCredentials(), arguments);
    /* gRPC 1.51 now and then takes a connection that is still being made for a failed one, and makes another.
     */
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + connect_within))
        return nullptr;
    return new Client{tilery::v1::TileCompute::NewStub(channel)};
}

bool rival_call(void *client)
{
    tilery::v1::ComputeReply reply;
    grpc::ClientContext context;
    const grpc::Status status = static_cast<Client *>(client)->stub->Compute(&context, documented(), &reply);

    if (!status.ok())
        std::fprintf(stderr, "%s\n", status.error_message().c_str());
    return status.ok() && reply.records_size() == records;
}

void rival_close(void *client)
{
    delete static_cast<Client *>(client);
}

const char *rival_version(void)
{
    return GRPC_CPP_VERSION_STRING;
}
