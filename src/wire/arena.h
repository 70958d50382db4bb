#ifndef TILERY_WIRE_ARENA_H
#define TILERY_WIRE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/* A call's small messages fit it: they cost no malloc. */
#define WIRE_ARENA_ROOM 512

/*
 * A bump allocator with a budget, for what one message unpacks to. A hostile message can ask protobuf-c for
 * tens of times its own size; the arena refuses beyond the budget, and unpacking then fails cleanly.
 *
 * Not thread-safe: one message at a time. Memory comes from the arena's own room and then from malloc in
 * blocks, and lives until reset or fini; single frees do nothing. It must not be copied.
 */
struct wire_arena {
    ProtobufCAllocator allocator; /* pass its address to protobuf-c */
    struct wire_block *blocks;    /* newest first */
    size_t budget; /* bytes that may be taken, blocks' unused ends included; the room is free */
    size_t taken;
    bool refused; /* since the last reset, something was not given for want of budget or memory, */
    bool starved; /* and it was the machine's memory */
    size_t room_used;
    max_align_t room[WIRE_ARENA_ROOM / sizeof(max_align_t)];
};

/* Ends with wire_arena_fini. Takes no memory yet. */
void wire_arena_init(struct wire_arena *arena, size_t budget);
void wire_arena_fini(struct wire_arena *arena);

/* Frees all but the newest block of at most a page, so that the next small message costs no malloc. */
void wire_arena_reset(struct wire_arena *arena);

/* Memory aligned for any type, not zeroed; NULL when the budget or the machine's memory is used up. */
void *wire_arena_alloc(struct wire_arena *arena, size_t size);

#endif
