#ifndef TILERY_BRIDGE_METRICS_H
#define TILERY_BRIDGE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "tilery/client.h"

/* What is counted apart. Route 0 stands for every path that is no route: paths come from anybody, and each
 * would be a series for ever. So do the last method and the last code for all others. */
#define METRICS_ROUTES 17u
#define METRICS_METHODS 6u
#define METRICS_CODES 21u
#define METRICS_BOUNDS 16u

struct metrics_route {
    atomic_uint_least64_t requests[METRICS_METHODS][METRICS_CODES];
    atomic_uint_least64_t times[METRICS_BOUNDS + 1]; /* requests by how long they took */
    atomic_uint_least64_t sum_ns;
};

/* Since the bridge started. All zero to begin with; any thread, without a lock. */
struct metrics {
    struct metrics_route routes[METRICS_ROUTES];
    atomic_uint_least64_t received_bytes, sent_bytes;
};

/* A request that is over. */
struct metrics_request {
    unsigned route;
    const char *method;
    unsigned http; /* 0: its client left before it was answered, which counts as 499 */
    uint64_t duration_ns;
    uint64_t received_bytes, sent_bytes; /* of bodies */
};
void metrics_count(struct metrics *metrics, const struct metrics_request *request);

/* route_name gives a route's path, from 1 on; NULL after the last. */
void metrics_write(FILE *out, const struct metrics *metrics, const char *(*route_name)(unsigned route));

/*
 * metrics_servers.c: the servers' own. Prometheus would ask each server itself, but servers speak no HTTP, so
 * the bridge answers for all that it was given, a label apart: the counters of whichever is next in turn
 * would jump up and down, and sums would hide the one that is slow, and fall when one is lost. Two bridges
 * before the same server both tell of it: their "instance" is what tells those series apart.
 */
void metrics_write_servers(FILE *out, const tilery_stats_list *list);

#endif
