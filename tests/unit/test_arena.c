#include "wire/arena.h"

#include <stdint.h>
#include <string.h>

#include "suite.h"

#define BUDGET 100000

static struct wire_arena arena;

/* In memory that held something else. */
static void set_up(void)
{
    memset(&arena, 1, sizeof arena);
    wire_arena_init(&arena, BUDGET);
}

static void tear_down(void)
{
    wire_arena_fini(&arena);
}

START_TEST(no_memory_is_taken_before_it_is_asked_for)
{
    ck_assert_uint_eq(arena.taken, 0);
    ck_assert(!arena.refused && !arena.starved);
    ck_assert_ptr_null(arena.blocks);
    wire_arena_reset(&arena);
    ck_assert_uint_eq(arena.taken, 0);
}
END_TEST

START_TEST(small_messages_cost_no_malloc)
{
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, WIRE_ARENA_ROOM - 16));
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, 16));
    ck_assert_uint_eq(arena.taken, 0);
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, 1));
    ck_assert_uint_gt(arena.taken, 0);
}
END_TEST

START_TEST(memory_is_aligned_for_any_type_and_apart)
{
    uint8_t *memory[50];

    for (size_t size = 0; size < 50; size++) {
        memory[size] = wire_arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(memory[size]);
        ck_assert_uint_eq((uintptr_t)memory[size] % _Alignof(max_align_t), 0);
        memset(memory[size], (int)size, size);
    }
    for (size_t size = 0; size < 50; size++)
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(memory[size][i], size);
}
END_TEST

/* Takes pieces until one is refused; returns how many bytes it got. */
static size_t drain(size_t piece)
{
    size_t got = 0;
    void *memory;

    for (; (memory = wire_arena_alloc(&arena, piece)) != NULL; got += piece)
        memset(memory, 0xff, piece);
    return got;
}

START_TEST(the_budget_is_not_exceeded)
{
    ck_assert_uint_le(drain(48), BUDGET + WIRE_ARENA_ROOM);
    ck_assert_uint_le(arena.taken, BUDGET);
    ck_assert(arena.refused);
}
END_TEST

START_TEST(most_of_the_budget_can_be_had)
{
    ck_assert_uint_ge(drain(16), BUDGET - 16);
}
END_TEST

START_TEST(nothing_is_refused_within_the_budget)
{
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, BUDGET / 16 * 16));
    ck_assert(!arena.refused);
}
END_TEST

START_TEST(one_byte_over_the_budget_is_refused)
{
    ck_assert_ptr_null(wire_arena_alloc(&arena, BUDGET + 1));
    ck_assert(arena.refused);
    ck_assert_uint_eq(arena.taken, 0);
}
END_TEST

START_TEST(a_refusal_does_not_end_the_arena)
{
    ck_assert_ptr_null(wire_arena_alloc(&arena, BUDGET + 1));
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, 16));
    ck_assert(arena.refused);
}
END_TEST

START_TEST(huge_sizes_are_refused)
{
    for (size_t i = 0; i < 64; i++) {
        ck_assert_ptr_null(wire_arena_alloc(&arena, SIZE_MAX - i));
        ck_assert_ptr_null(wire_arena_alloc(&arena, SIZE_MAX / 2 + i));
    }
    ck_assert(arena.refused);
    ck_assert_uint_eq(arena.taken, 0);
}
END_TEST

START_TEST(huge_sizes_are_refused_under_a_huge_budget_too)
{
    wire_arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < 64; i++)
        ck_assert_ptr_null(wire_arena_alloc(&arena, SIZE_MAX - i));
    ck_assert(arena.refused);
}
END_TEST

START_TEST(a_reset_keeps_the_first_block_alone)
{
    void *first = wire_arena_alloc(&arena, WIRE_ARENA_ROOM + 1);
    size_t taken = arena.taken;

    (void)drain(48);
    wire_arena_reset(&arena);
    ck_assert(!arena.refused);
    ck_assert_uint_eq(arena.taken, taken);
    ck_assert_ptr_eq(wire_arena_alloc(&arena, WIRE_ARENA_ROOM + 1), first);
    ck_assert_uint_eq(arena.taken, taken);
}
END_TEST

START_TEST(a_reset_keeps_no_large_block)
{
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, BUDGET / 2));
    wire_arena_reset(&arena);
    ck_assert_uint_eq(arena.taken, 0);
}
END_TEST

START_TEST(the_whole_budget_is_there_again_after_a_reset)
{
    size_t got = drain(16);

    for (int i = 0; i < 10; i++) {
        wire_arena_reset(&arena);
        ck_assert_uint_eq(drain(16), got);
    }
}
END_TEST

START_TEST(an_arena_without_a_budget_has_its_room_alone)
{
    wire_arena_init(&arena, 0);
    ck_assert_uint_eq(drain(16), WIRE_ARENA_ROOM);
    ck_assert_ptr_null(wire_arena_alloc(&arena, 1));
    ck_assert(arena.refused);
}
END_TEST

START_TEST(protobuf_c_s_allocator_is_the_arena)
{
    void *memory = arena.allocator.alloc(arena.allocator.allocator_data, 100);

    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq(arena.room_used, 112);
    arena.allocator.free(arena.allocator.allocator_data, memory);
    ck_assert_ptr_ne(wire_arena_alloc(&arena, 100), memory);
}
END_TEST

START_TEST(fini_twice_is_fine)
{
    ck_assert_ptr_nonnull(wire_arena_alloc(&arena, 10));
    wire_arena_fini(&arena);
    ck_assert_ptr_null(arena.blocks);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("arena");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, no_memory_is_taken_before_it_is_asked_for);
    tcase_add_test(tests, small_messages_cost_no_malloc);
    tcase_add_test(tests, memory_is_aligned_for_any_type_and_apart);
    tcase_add_test(tests, the_budget_is_not_exceeded);
    tcase_add_test(tests, most_of_the_budget_can_be_had);
    tcase_add_test(tests, nothing_is_refused_within_the_budget);
    tcase_add_test(tests, one_byte_over_the_budget_is_refused);
    tcase_add_test(tests, a_refusal_does_not_end_the_arena);
    tcase_add_test(tests, huge_sizes_are_refused);
    tcase_add_test(tests, huge_sizes_are_refused_under_a_huge_budget_too);
    tcase_add_test(tests, a_reset_keeps_the_first_block_alone);
    tcase_add_test(tests, a_reset_keeps_no_large_block);
    tcase_add_test(tests, the_whole_budget_is_there_again_after_a_reset);
    tcase_add_test(tests, an_arena_without_a_budget_has_its_room_alone);
    tcase_add_test(tests, protobuf_c_s_allocator_is_the_arena);
    tcase_add_test(tests, fini_twice_is_fine);
    return suite_run("arena", tests);
}
