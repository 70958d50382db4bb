#include "lanes.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_NS (UINT64_C(1) << 52) /* weeks, which no run takes */

bool lanes_begin(struct lanes *lanes, unsigned count)
{
    *lanes = (struct lanes){.count = count, .bin_ns = 1, .end_ns = 1};
    lanes->bins = calloc((size_t)count * LANES_BINS + 1, sizeof *lanes->bins);
    lanes->busy_ns = calloc(count + 1, sizeof *lanes->busy_ns);
    return lanes->bins != NULL && lanes->busy_ns != NULL;
}

void lanes_end(struct lanes *lanes)
{
    free(lanes->bins);
    free(lanes->busy_ns);
}

/* Two of a lane's bins become one. */
static void widen(struct lanes *lanes)
{
    lanes->bin_ns *= 2;
    for (unsigned lane = 0; lane < lanes->count; lane++) {
        double *bins = &lanes->bins[lane * LANES_BINS];

        for (unsigned i = 0; i < LANES_BINS / 2; i++)
            bins[i] = bins[2 * i] + bins[2 * i + 1];
        memset(&bins[LANES_BINS / 2], 0, LANES_BINS / 2 * sizeof *bins);
    }
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void lanes_add(struct lanes *lanes, const struct tilery_record *record)
{
    uint64_t at = record->start_time_ns, end = at + record->duration_ns;
    double *bins;

    if (at > LONGEST_NS || record->duration_ns > LONGEST_NS)
        return;
    if (end > lanes->end_ns)
        lanes->end_ns = end;
    while (lanes->end_ns > LANES_BINS * lanes->bin_ns)
        widen(lanes);
    if (record->thread_id >= lanes->count)
        return;
    bins = &lanes->bins[(size_t)record->thread_id * LANES_BINS];
    lanes->busy_ns[record->thread_id] += (double)record->duration_ns;
    while (at < end) {
        uint64_t bin = at / lanes->bin_ns, until = min(end, (bin + 1) * lanes->bin_ns);

        bins[bin] += (double)(until - at);
        at = until;
    }
}

void lanes_parts(const struct lanes *lanes, unsigned lane, double *parts, unsigned count)
{
    const double *bins = &lanes->bins[(size_t)lane * LANES_BINS];
    double part_ns = (double)lanes->end_ns / count, bin_ns = (double)lanes->bin_ns;

    for (unsigned part = 0; part < count; part++) {
        double from = part * part_ns / bin_ns, to = (part + 1) * part_ns / bin_ns, busy_ns = 0;

        for (unsigned bin = (unsigned)from; bin < LANES_BINS && bin < to; bin++) {
            double left = from > bin ? from : bin, right = to < bin + 1 ? to : bin + 1;

            busy_ns += bins[bin] * (right - left);
        }
        parts[part] = busy_ns / part_ns;
    }
}
