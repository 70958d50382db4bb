#ifndef TILERY_CLIENT_PLAN_H
#define TILERY_CLIENT_PLAN_H

/*
 * What a request asked for: the tasks, and where in the image each one's tile lies. A server's replies are
 * held against it, since a caller puts tiles where they say they belong.
 */
#include <stdbool.h>
#include <stdint.h>

#include "tilery/client.h"
#include "wire/status.h"

#include "compute.pb-c.h"

struct plan {
    uint64_t width, height, tile_w, tile_h; /* pixels */
    uint64_t first, count; /* tasks; none of a request that is outside the limits: no server takes it */
};

struct plan plan_of(const struct tilery_compute_request *request);

bool plan_has(const struct plan *plan, uint32_t task_id);

/* INTERNAL unless the tile is one that was asked for, and lies where its task does. */
WIRE_MUST_USE enum wire_status plan_check(const struct plan *plan, const Tilery__V1__TileUpdate *tile,
                                          struct wire_error *error);

#endif
