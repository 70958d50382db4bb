#include "label.h"

#include <check.h>
#include <string.h>

struct window_packed label_pack(void *arg, const struct run_record *record, struct tile tile,
                                uint16_t *counts)
{
    const struct label label = {*record, tile};

    (void)arg;
    memcpy((uint8_t *)counts - sizeof label, &label, sizeof label);
    return (struct window_packed){sizeof label, (size_t)tile.columns * tile.rows * sizeof *counts};
}

struct label label_read(const struct window_tile *tile)
{
    struct label label;

    memcpy(&label, tile->bytes, sizeof label);
    ck_assert_uint_eq(tile->len,
                      sizeof label + (size_t)label.tile.columns * label.tile.rows * sizeof(uint16_t));
    return label;
}

const uint16_t *label_counts(const struct window_tile *tile)
{
    ck_assert_uint_eq((uintptr_t)tile->bytes % _Alignof(uint16_t), 0);
    return (const uint16_t *)(const void *)(tile->bytes + sizeof(struct label));
}
