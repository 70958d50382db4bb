#include "raw.h"

#include <check.h>
#include <nng/protocol/reqrep0/req.h>

#include "wire/limits.h"

#define PATIENCE_MS 50000

static void note(void *arg)
{
    struct raw *raw = arg;

    atomic_store(&raw->answered, true);
}

void raw_open(struct raw *raw, const char *url)
{
    ck_assert_int_eq(nng_req0_open(&raw->socket), 0);
    ck_assert_int_eq(nng_socket_set_ms(raw->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), 0);
    ck_assert_int_eq(nng_socket_set_ms(raw->socket, NNG_OPT_SENDTIMEO, PATIENCE_MS), 0);
    ck_assert_int_eq(nng_socket_set_size(raw->socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_REPLY_BYTES), 0);
    ck_assert_int_eq(nng_aio_alloc(&raw->aio, note, raw), 0);
    nng_aio_set_timeout(raw->aio, PATIENCE_MS);
    ck_assert_int_eq(nng_dial(raw->socket, url, NULL, 0), 0);
    raw->open_timeout_ms = 0;
    raw->accepts = 0;
    raw->msg = NULL;
    wire_arena_init(&raw->arena, WIRE_REPLY_ARENA);
}

void raw_close(struct raw *raw)
{
    nng_aio_free(raw->aio);
    nng_close(raw->socket);
    nng_msg_free(raw->msg);
    wire_arena_fini(&raw->arena);
}

void raw_send(struct raw *raw, const struct wire_request *head, const ProtobufCMessage *request)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    nng_msg *msg;

    ck_assert_int_eq(nng_msg_alloc(&msg, wire_request_size(head, size)), 0);
    (void)protobuf_c_message_pack(request, wire_request_pack(head, size, nng_msg_body(msg)));
    ck_assert_int_eq(nng_sendmsg(raw->socket, msg, 0), 0);
    atomic_store(&raw->answered, false);
    nng_recv_aio(raw->socket, raw->aio);
}

bool raw_answered(const struct raw *raw)
{
    return atomic_load(&raw->answered);
}

enum wire_status raw_receive(struct raw *raw, const ProtobufCMessageDescriptor *type)
{
    struct wire_error error;

    nng_aio_wait(raw->aio);
    ck_assert_msg(nng_aio_result(raw->aio) == 0, "%s", nng_strerror(nng_aio_result(raw->aio)));
    nng_msg_free(raw->msg);
    raw->msg = nng_aio_get_msg(raw->aio);
    wire_arena_reset(&raw->arena);
    ck_assert_int_eq(
        wire_reply_unpack(&raw->arena, nng_msg_body(raw->msg), nng_msg_len(raw->msg), &raw->head, &error),
        WIRE_OK);
    raw->payload = NULL;
    if (raw->head.status == WIRE_OK) {
        raw->payload =
            protobuf_c_message_unpack(type, &raw->arena.allocator, raw->head.payload_len, raw->head.payload);
        ck_assert_ptr_nonnull(raw->payload);
    }
    return raw->head.status;
}

enum wire_status raw_open_stream(struct raw *raw, const Tilery__V1__ComputeRequest *request, const char *id)
{
    const struct wire_request head = {.method = "tilery.v1.TileCompute/OpenStream",
                                      .request_id = id != NULL ? id : "",
                                      .has_timeout = raw->open_timeout_ms != 0,
                                      .timeout_ms = raw->open_timeout_ms};
    Tilery__V1__OpenStreamRequest open = TILERY__V1__OPEN_STREAM_REQUEST__INIT;

    open.compute = (Tilery__V1__ComputeRequest *)(uintptr_t)request;
    open.accept = raw->accept;
    open.n_accept = raw->accepts;
    raw_send(raw, &head, &open.base);
    return raw_receive(raw, &tilery__v1__open_stream_reply__descriptor);
}

Tilery__V1__ComputeRequest raw_request(uint64_t width, uint64_t height, uint64_t tile, uint64_t max_iter)
{
    Tilery__V1__ComputeRequest request = TILERY__V1__COMPUTE_REQUEST__INIT;

    request.has_width = request.has_height = request.has_tile_w = request.has_tile_h = 1;
    request.has_max_iter = request.has_num_threads = request.has_time_limit_ms = 1;
    request.width = width;
    request.height = height;
    request.tile_w = request.tile_h = tile;
    request.max_iter = max_iter;
    request.num_threads = 1;
    request.time_limit_ms = 600000;
    return request;
}

void raw_open_slow(struct raw *raw, const char *id, struct raw_slow slow)
{
    Tilery__V1__Region cardioid = TILERY__V1__REGION__INIT;
    Tilery__V1__ComputeRequest request = raw_request(slow.width, slow.tile, slow.tile, 65535);

    cardioid.has_re_min = cardioid.has_im_min = cardioid.has_re_span = cardioid.has_im_span = 1;
    cardioid.re_min = slow.re_min;
    cardioid.im_min = -0.1;
    cardioid.re_span = slow.re_span;
    cardioid.im_span = 0.2;
    request.region = &cardioid;
    request.kernel = (char *)(uintptr_t) "scalar";
    ck_assert_int_eq(raw_open_stream(raw, &request, id), WIRE_OK);
}

void raw_open_endless(struct raw *raw, const char *id)
{
    raw_open_slow(raw, id, (struct raw_slow){4096, 4096, -0.2, 0.2});
}

const Tilery__V1__OpenStreamReply *raw_opened(const struct raw *raw)
{
    return (const Tilery__V1__OpenStreamReply *)(const void *)raw->payload;
}

void raw_start_next(struct raw *raw, struct raw_poll poll)
{
    const struct wire_request head = {.method = "tilery.v1.TileCompute/NextTiles", .request_id = ""};
    Tilery__V1__NextTilesRequest next = TILERY__V1__NEXT_TILES_REQUEST__INIT;

    next.stream_id = (char *)(uintptr_t)poll.id;
    next.has_cursor = next.has_max_bytes = next.has_wait_ms = 1;
    next.cursor = poll.cursor;
    next.max_bytes = poll.max_bytes;
    next.wait_ms = poll.wait_ms;
    raw_send(raw, &head, &next.base);
}

enum wire_status raw_end_next(struct raw *raw)
{
    return raw_receive(raw, &tilery__v1__next_tiles_reply__descriptor);
}

enum wire_status raw_next(struct raw *raw, struct raw_poll poll)
{
    raw_start_next(raw, poll);
    return raw_end_next(raw);
}

const Tilery__V1__NextTilesReply *raw_tiles(const struct raw *raw)
{
    return (const Tilery__V1__NextTilesReply *)(const void *)raw->payload;
}

bool raw_cancel(struct raw *raw, const char *id)
{
    const struct wire_request head = {.method = "tilery.v1.TileCompute/Cancel", .request_id = ""};
    Tilery__V1__CancelRequest cancel = TILERY__V1__CANCEL_REQUEST__INIT;

    cancel.request_id = (char *)(uintptr_t)id;
    raw_send(raw, &head, &cancel.base);
    ck_assert_int_eq(raw_receive(raw, &tilery__v1__cancel_reply__descriptor), WIRE_OK);
    return ((const Tilery__V1__CancelReply *)(const void *)raw->payload)->found;
}
