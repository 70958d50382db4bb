/* A frame that a client sent: the envelope, the method, its payload. */
#include "fuzz.h"

#include <string.h>

#include "rpc/internal.h"
#include "service/internal.h"
#include "wire/limits.h"

static void read_request(rpc_handler *handler, const ProtobufCMessage *message)
{
    const Tilery__V1__OpenStreamRequest *open = (const Tilery__V1__OpenStreamRequest *)(const void *)message;
    const Tilery__V1__ComputeRequest *compute = (const Tilery__V1__ComputeRequest *)(const void *)message;
    struct wire_error error;
    struct run_spec spec;

    if (handler == service_open_stream)
        compute = open->compute;
    if (compute != NULL && (handler == service_open_stream || handler == service_compute))
        (void)!service_read_request(compute, &spec, &error);
}

void fuzz_one(const uint8_t *bytes, size_t len)
{
    struct rpc_server server = {.service_count = 0};
    struct rpc_call call = {.server = &server};
    const ProtobufCMessage *message;
    struct wire_error error;
    rpc_handler *handler;

    server.services = service_table(&server.service_count);
    wire_arena_init(&call.arena, WIRE_REQUEST_ARENA);
    if (wire_request_unpack(&call.arena, bytes, len, &call.request, &error) == WIRE_OK) {
        require(strlen(call.request.request_id) <= WIRE_MAX_REQUEST_ID);
        if (rpc_decode(&call, &handler, &message, &error) == WIRE_OK)
            read_request(handler, message);
    } else {
        require(error.status == WIRE_INVALID_ARGUMENT && error.message[0] != '\0');
    }
    require(call.arena.taken <= WIRE_REQUEST_ARENA);
    wire_arena_fini(&call.arena);
}

static const char *const methods[] = {"tilery.v1.TileCompute/Compute",   "tilery.v1.TileCompute/OpenStream",
                                      "tilery.v1.TileCompute/NextTiles", "tilery.v1.TileCompute/Cancel",
                                      "tilery.v1.Health/Check",          "tilery.v1.Server/Info"};

static const struct wire_metadata metadata[] = {{"traceparent", "00-ab-cd-01"}};

size_t fuzz_seed(size_t number, uint8_t *out)
{
    const struct wire_request head = {.method = methods[number % (sizeof methods / sizeof *methods)],
                                      .has_timeout = true,
                                      .timeout_ms = 1000 * number,
                                      .request_id = "0123456789abcdef",
                                      .metadata = metadata,
                                      .metadata_count = 1};
    const ProtobufCMessage *payload = seed_request(number);
    size_t len;

    if (payload == NULL)
        return 0;
    len = protobuf_c_message_get_packed_size(payload);
    (void)protobuf_c_message_pack(payload, wire_request_pack(&head, len, out));
    return wire_request_size(&head, len);
}
