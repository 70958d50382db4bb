#ifndef TILERY_CLIENT_BATCH_H
#define TILERY_CLIENT_BATCH_H

/*
 * A NextTiles reply, taken apart tile by tile. The counts are most of it, and stay in the message where they
 * came: a batch is as large as its reply. One thread at a time.
 */
#include "internal.h"

struct batch {
    nng_msg *msg;            /* NULL: there is none */
    const uint8_t *at, *end; /* of the tiles that lead, as all do in our servers' replies: those left */
    size_t tiles, taken;     /* all; and those that have been taken out */
    const Tilery__V1__NextTilesReply *reply; /* but for the tiles that lead */
    uint64_t queue_ns, run_ns;
    struct wire_arena arena, tile_arena; /* of reply; of the tile that was taken out last */
    uint16_t *decoded;                   /* its counts, where they came shorter */
    size_t decoded_size;                 /* counts that have room there */
};

/* Ends with batch_fini. */
void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);

/* Takes the message, in place of the one before. */
WIRE_MUST_USE enum wire_status batch_read(struct batch *batch, nng_msg *msg, struct wire_error *error);

/* As before batch_read. */
void batch_drop(struct batch *batch);

/* The next tile, which holds until the next one is taken; NULL, and the error, when it is none. There must be
 * one left. */
const Tilery__V1__TileUpdate *batch_take(struct batch *batch, struct wire_error *error);

/* Its columns * rows counts, which hold as long; NULL, and the error, when its data is not so many. */
const uint16_t *batch_counts(struct batch *batch, const Tilery__V1__TileUpdate *tile,
                             struct wire_error *error);

static inline bool batch_has_more(const struct batch *batch)
{
    return batch->taken < batch->tiles;
}

#endif
