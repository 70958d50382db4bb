#ifndef TILERY_TESTS_LABEL_H
#define TILERY_TESTS_LABEL_H

#include "service/window.h"

/* What the windows of unit tests have in front of a tile's counts. */
struct label {
    struct run_record record;
    struct tile tile;
};

/* For struct window_options. */
struct window_packed label_pack(void *arg, const struct run_record *record, struct tile tile,
                                uint16_t *counts);

struct label label_read(const struct window_tile *tile);
const uint16_t *label_counts(const struct window_tile *tile);

#endif
