/* The payload of a Compute: what is read as good lies within the limits. */
#include "fuzz.h"

#include <math.h>

#include "service/internal.h"
#include "wire/arena.h"
#include "wire/check.h"
#include "wire/limits.h"

static void check_spec(const struct run_spec *spec)
{
    require(spec->grid.tiles >= 1 && spec->grid.tiles <= WIRE_MAX_TILES);
    require(spec->task_count >= 1 && spec->first_task + (uint64_t)spec->task_count <= spec->grid.tiles);
    require(spec->num_threads >= 1 && spec->num_threads <= SERVICE_MAX_THREADS);
    require(spec->plane.width >= 1 && spec->plane.width <= 65536);
    require(spec->plane.height >= 1 && spec->plane.height <= 65536);
    require(spec->plane.max_iter >= 1 && spec->plane.max_iter <= 65535);
    require(isfinite(spec->plane.re_min) && spec->plane.re_span > 0 && spec->plane.im_span > 0);
    require(spec->kernel != NULL && spec->time_limit_ms <= 600000);
    require(service_reply_bound(spec) <= WIRE_MAX_REPLY_BYTES / 2);
}

void fuzz_one(const uint8_t *bytes, size_t len)
{
    const ProtobufCMessageDescriptor *type = &tilery__v1__compute_request__descriptor;
    const ProtobufCMessage *request;
    struct wire_arena arena;
    struct wire_error error;
    struct run_spec spec;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    request = protobuf_c_message_unpack(type, &arena.allocator, len, bytes);
    require(arena.taken <= WIRE_REQUEST_ARENA);
    if (request != NULL && wire_check_fields(type, bytes, len, &error) == WIRE_OK &&
        service_read_request((const Tilery__V1__ComputeRequest *)(const void *)request, &spec, &error) ==
            WIRE_OK)
        check_spec(&spec);
    wire_arena_fini(&arena);
}

size_t fuzz_seed(size_t number, uint8_t *out)
{
    const ProtobufCMessage *request = seed_request(number);

    return request != NULL ? protobuf_c_message_pack(request, out) : 0;
}
