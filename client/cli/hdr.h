#ifndef TILERY_CLI_HDR_H
#define TILERY_CLI_HDR_H

#include <stdint.h>

/*
 * How often each value was met, in a table of logarithmic buckets that are divided evenly: the layout of
 * HdrHistogram, http://hdrhistogram.org, with three significant digits, over all 64-bit values. A value is
 * known to a thousandth of itself.
 *
 * Plain data. All zero is empty.
 */
#define HDR_SUB_BITS 11u /* the first bucket has 2^11 slots of one value each, */
#define HDR_HALF (1u << (HDR_SUB_BITS - 1))
#define HDR_SLOTS ((64u - HDR_SUB_BITS + 2) * HDR_HALF) /* each further one 2^10, twice as wide each time */

struct hdr {
    uint64_t counts[HDR_SLOTS];
    uint64_t count, max;
};

void hdr_add(struct hdr *hdr, uint64_t value);

/* The least value that so many percent of the values do not exceed, as the largest one of its slot, though
 * never above the largest that was met. 0 where there are none. percent: above 0 to 100. */
uint64_t hdr_percentile(const struct hdr *hdr, double percent);

#endif
