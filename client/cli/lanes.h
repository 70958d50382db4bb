#ifndef TILERY_CLI_LANES_H
#define TILERY_CLI_LANES_H

#include <stdbool.h>
#include <stddef.h>

#include "tilery/client.h"

/*
 * When each of some threads was busy, since a run began. A lane's time is kept in a fixed number of bins,
 * which get twice as wide when the run outgrows them: what a tile costs does not depend on those before it,
 * nor does a frame.
 */
#define LANES_BINS 1024u

struct lanes {
    unsigned count;
    uint64_t bin_ns, end_ns; /* how wide a bin is; when the last tile so far ended, at least 1 */
    double *bins;            /* LANES_BINS a lane: how much of it was busy, in ns */
    double *busy_ns;         /* a lane's, in all */
};

/* For threads 0 to count - 1; the others count for end_ns alone. False: no memory. Ends with lanes_end, also
 * then. */
bool lanes_begin(struct lanes *lanes, unsigned count);
void lanes_end(struct lanes *lanes);

void lanes_add(struct lanes *lanes, const struct tilery_record *record);

/* How busy a lane was in each of so many equal parts of the time until end_ns, 0 to 1. */
void lanes_parts(const struct lanes *lanes, unsigned lane, double *parts, unsigned count);

#endif
