#include "watch_draw.h"

#include <string.h>

#include "suite.h"

#define TILES 64u
#define SIDE 16u /* pixels of a tile */

/* What stderr is does not matter: where it is no terminal, one of 80 x 24 is drawn for. */
START_TEST(a_tile_that_is_drawn_is_not_looked_at_again)
{
    static uint16_t counts[SIDE * SIDE];
    struct format_tile tile[TILES];
    struct format_tiles tiles = {.tiles = tile, .count = TILES};
    struct cli_options options = {.terminal = {.term = "xterm-256color", .colorterm = "", .utf8 = true}};
    struct drawing drawing;
    const char *frame;
    char *first;
    size_t len;

    options.request = (struct tilery_compute_request){.width = 8 * SIDE,
                                                      .height = 8 * SIDE,
                                                      .tile_w = SIDE,
                                                      .tile_h = SIDE,
                                                      .max_iter = 100,
                                                      .num_threads = 4};
    for (uint32_t i = 0; i < TILES; i++)
        tile[i] = (struct format_tile){.record = {.task_id = i,
                                                  .thread_id = i % 4,
                                                  .tile_x = i % 8 * SIDE,
                                                  .tile_y = i / 8 * SIDE,
                                                  .start_time_ns = i * 10000,
                                                  .duration_ns = 20000},
                                       .columns = SIDE,
                                       .rows = SIDE,
                                       .counts = counts};
    ck_assert(drawing_begin(&drawing, &options) && drawing_fit(&drawing));
    len = drawing_frame(&drawing, &tiles, TILES, false, &frame);
    first = strndup(frame, len);
    memset(tile, 0xff, sizeof tile); /* to look at one now would be fatal, or be seen */
    ck_assert_uint_eq(drawing_frame(&drawing, &tiles, TILES, false, &frame), len);
    ck_assert(memcmp(frame, first, len) == 0);
    free(first);
    drawing_end(&drawing);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("drawing");

    tcase_add_test(tests, a_tile_that_is_drawn_is_not_looked_at_again);
    return suite_run("drawing", tests);
}
