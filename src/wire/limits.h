#ifndef TILERY_WIRE_LIMITS_H
#define TILERY_WIRE_LIMITS_H

#include <stdint.h>

#include "wire/status.h"

/* The per-request limits of the protocol, the same for every server. proto/README.md lists them. */
#define WIRE_MAX_TILES UINT64_C(1048576)
#define WIRE_MAX_TILE_BYTES (UINT64_C(32) << 20)    /* data of one TileUpdate */
#define WIRE_MAX_REQUEST_BYTES (UINT64_C(64) << 10) /* one request frame */
#define WIRE_MAX_REPLY_BYTES (UINT64_C(128) << 20)  /* one reply frame */
#define WIRE_MAX_REQUEST_ID 64                      /* characters */
#define WIRE_RETRY_AFTER_MS 100                     /* where only time can tell when there is room */
#define WIRE_MAX_METADATA 64                        /* entries; more is nobody's header list */

/* What unpacking one message may take, whatever the message says of itself. */
#define WIRE_REQUEST_ARENA (UINT64_C(1) << 20)
#define WIRE_REPLY_ARENA (UINT64_C(512) << 20)

/* The whole-number fields of ComputeRequest that have a range of their own. */
enum wire_field {
    WIRE_WIDTH,
    WIRE_HEIGHT,
    WIRE_TILE_W,
    WIRE_TILE_H,
    WIRE_MAX_ITER,
    WIRE_TIME_LIMIT_MS,
    WIRE_NUM_THREADS,
    WIRE_FIRST_TASK,
    WIRE_TASK_COUNT,
    WIRE_FIELDS,
};

const char *wire_field_name(enum wire_field field);
uint64_t wire_field_max(enum wire_field field);

/* INVALID_ARGUMENT, naming field, value and range, when the value is outside its range. */
WIRE_MUST_USE enum wire_status wire_field_check(enum wire_field field, uint64_t value,
                                                struct wire_error *error);

/* Reads a value written in ASCII digits and checks its range. The error names field, text and range. */
WIRE_MUST_USE enum wire_status wire_field_parse(enum wire_field field, const char *text, uint64_t *value,
                                                struct wire_error *error);

#endif
