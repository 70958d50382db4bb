#include "engine/sort.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

static uint64_t key(const struct run_record *record)
{
    return record->start_ns / NS_PER_MS;
}

/* The end of the ascending run that begins at begin. */
static size_t ascending(const struct run_record *records, size_t begin, size_t count)
{
    size_t end = begin + 1;

    while (end < count && key(&records[end - 1]) <= key(&records[end]))
        end++;
    return end < count ? end : count;
}

/* Merges records[0..middle) and records[middle..count); equals come from the first. */
static void merge(struct run_record *records, size_t middle, size_t count, struct run_record *scratch)
{
    size_t a = 0, b = middle, out = 0;

    memcpy(scratch, records, middle * sizeof *records);
    while (a < middle && b < count)
        records[out++] = key(&records[b]) < key(&scratch[a]) ? records[b++] : scratch[a++];
    memcpy(&records[out], &scratch[a], (middle - a) * sizeof *records);
}

/*
 * A natural merge sort (Knuth, TAOCP vol. 3, 5.2.4): records arrive nearly in order, so that one pass often
 * shows that nothing is to be done.
 */
void sort_records(struct run_record *records, size_t count, struct run_record *scratch)
{
    size_t end;

    do {
        for (size_t begin = 0; begin < count; begin = end) {
            size_t middle = ascending(records, begin, count);

            end = middle < count ? ascending(records, middle, count) : count;
            if (middle < end)
                merge(&records[begin], middle - begin, end - begin, scratch);
        }
    } while (count != 0 && ascending(records, 0, count) < count);
}
