#include "wire/arena.h"

#include <stdint.h>
#include <stdlib.h>

/* The first block serves a usual request whole; later ones double, so that a large reply takes few. */
#define FIRST_BLOCK 4096u
#define ALIGNMENT _Alignof(max_align_t)

struct wire_block {
    struct wire_block *next;
    size_t size, used; /* of data */
    max_align_t data[];
};

static void *allocate(void *data, size_t size)
{
    return wire_arena_alloc(data, size);
}

static void release(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void wire_arena_init(struct wire_arena *arena, size_t budget)
{
    arena->allocator = (ProtobufCAllocator){allocate, release, arena};
    arena->blocks = NULL;
    arena->budget = budget;
    arena->taken = arena->room_used = 0;
    arena->refused = arena->starved = false;
}

static void free_blocks(struct wire_block *block)
{
    while (block != NULL) {
        struct wire_block *next = block->next;

        free(block);
        block = next;
    }
}

void wire_arena_fini(struct wire_arena *arena)
{
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->taken = arena->room_used = 0;
}

void wire_arena_reset(struct wire_arena *arena)
{
    struct wire_block *block;

    arena->refused = arena->starved = false;
    arena->room_used = 0;
    while ((block = arena->blocks) != NULL && block->size > FIRST_BLOCK) {
        arena->blocks = block->next;
        free(block);
    }
    arena->taken = 0;
    if (block == NULL)
        return;
    free_blocks(block->next);
    block->next = NULL;
    block->used = 0;
    arena->taken = block->size;
}

static struct wire_block *add_block(struct wire_arena *arena, size_t size)
{
    size_t left = arena->budget - arena->taken;
    size_t want = arena->blocks != NULL ? 2 * arena->blocks->size : FIRST_BLOCK;
    struct wire_block *block;

    if (size > left || size > SIZE_MAX - sizeof *block)
        return NULL;
    if (want < size)
        want = size;
    if (want > left)
        want = left;
    if (want > SIZE_MAX - sizeof *block)
        want = size;
    block = malloc(sizeof *block + want);
    if (block == NULL) {
        arena->starved = true;
        return NULL;
    }
    *block = (struct wire_block){.next = arena->blocks, .size = want};
    arena->blocks = block;
    arena->taken += want;
    return block;
}

void *wire_arena_alloc(struct wire_arena *arena, size_t size)
{
    struct wire_block *block = arena->blocks;
    void *memory;

    if (size > SIZE_MAX - ALIGNMENT)
        goto refused;
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (size <= sizeof arena->room - arena->room_used) {
        memory = (char *)arena->room + arena->room_used;
        arena->room_used += size;
        return memory;
    }
    if (block == NULL || size > block->size - block->used)
        block = add_block(arena, size);
    if (block == NULL)
        goto refused;
    memory = (char *)block->data + block->used;
    block->used += size;
    return memory;
refused:
    arena->refused = true;
    return NULL;
}
