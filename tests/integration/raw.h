#ifndef TILERY_TESTS_RAW_H
#define TILERY_TESTS_RAW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>
#include <protobuf-c/protobuf-c.h>

#include "wire/arena.h"
#include "wire/envelope.h"

#include "compute.pb-c.h"

/* A client that is nothing but nng's REQ socket and the messages: one request at a time. */
struct raw {
    nng_socket socket;
    uint64_t open_timeout_ms;       /* of the streams that are opened; 0: none is given */
    Tilery__V1__Encoding accept[4]; /* by them */
    size_t accepts;
    nng_aio *aio; /* waits for the reply */
    atomic_bool answered;
    nng_msg *msg; /* the reply */
    struct wire_arena arena;
    struct wire_reply head;
    const ProtobufCMessage *payload; /* where head.status is OK */
};

/* Connects. Ends with raw_close. */
void raw_open(struct raw *raw, const char *url);
void raw_close(struct raw *raw);

void raw_send(struct raw *raw, const struct wire_request *head, const ProtobufCMessage *request);

/* Whether the reply has come. */
bool raw_answered(const struct raw *raw);

/* Waits for the reply, and fails when none comes for a long time. It lives until the next one. */
enum wire_status raw_receive(struct raw *raw, const ProtobufCMessageDescriptor *type);

/* OpenStream. The request and the id may be NULL. */
enum wire_status raw_open_stream(struct raw *raw, const Tilery__V1__ComputeRequest *request, const char *id);
/* One thread's square tiles, without a time limit that matters. */
Tilery__V1__ComputeRequest raw_request(uint64_t width, uint64_t height, uint64_t tile, uint64_t max_iter);

/* Tiles in a row, of which one does not come, on one of the threads that streams may have. */
struct raw_slow {
    uint64_t width, tile;
    double re_min, re_span;
};
void raw_open_slow(struct raw *raw, const char *id, struct raw_slow slow);

/* The same with one tile alone, which does not come. */
void raw_open_endless(struct raw *raw, const char *id);

const Tilery__V1__OpenStreamReply *raw_opened(const struct raw *raw);

struct raw_poll {
    const char *id;
    uint64_t cursor, max_bytes, wait_ms;
};

/* NextTiles, and its two halves. */
enum wire_status raw_next(struct raw *raw, struct raw_poll poll);
void raw_start_next(struct raw *raw, struct raw_poll poll);
enum wire_status raw_end_next(struct raw *raw);
const Tilery__V1__NextTilesReply *raw_tiles(const struct raw *raw);

/* Whether the server knew the id. */
bool raw_cancel(struct raw *raw, const char *id);

#endif
