#ifndef TILERY_ENGINE_SORT_H
#define TILERY_ENGINE_SORT_H

#include <stddef.h>

#include "engine/run.h"

/* Sorts by whole milliseconds of start, stably. scratch has room for count records. */
void sort_records(struct run_record *records, size_t count, struct run_record *scratch);

#endif
