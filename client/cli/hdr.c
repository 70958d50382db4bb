#include "hdr.h"

#include <math.h>

static unsigned bits(uint64_t value)
{
    return 64u - (unsigned)__builtin_clzll(value | 1);
}

/* By how many bits the slots of the value's bucket are wider than one. */
static unsigned shift_of(uint64_t value)
{
    unsigned n = bits(value);

    return n > HDR_SUB_BITS ? n - HDR_SUB_BITS : 0;
}

static unsigned slot_of(uint64_t value)
{
    unsigned shift = shift_of(value);

    return shift * HDR_HALF + (unsigned)(value >> shift);
}

static uint64_t largest_of(unsigned slot)
{
    unsigned shift = slot < 2 * HDR_HALF ? 0 : slot / HDR_HALF - 1;
    uint64_t lead = slot - shift * HDR_HALF;

    return (lead << shift) + ((UINT64_C(1) << shift) - 1);
}

void hdr_add(struct hdr *hdr, uint64_t value)
{
    hdr->counts[slot_of(value)]++;
    hdr->count++;
    if (value > hdr->max)
        hdr->max = value;
}

uint64_t hdr_percentile(const struct hdr *hdr, double percent)
{
    double wanted = ceil((double)hdr->count * percent / 100 - 1e-9);
    uint64_t met = 0;

    for (unsigned slot = 0; slot < HDR_SLOTS; slot++) {
        met += hdr->counts[slot];
        if (met != 0 && (double)met >= wanted)
            return largest_of(slot) < hdr->max ? largest_of(slot) : hdr->max;
    }
    return hdr->max;
}
