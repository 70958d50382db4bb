/* The terminal of --watch: its two screens, its size and its signals. */
#include "watch.h"

#include <signal.h>
#include <stdlib.h>

#include "watch_draw.h"
#include "wire/clock.h"

#define FRAME_NS UINT64_C(50000000)

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

struct watch {
    struct drawing drawing;
    uint64_t last_ns; /* it was drawn */
    uint64_t planned;
    bool stale; /* the terminal has another size, or shows something else */
};

int watch_check(const struct cli_options *options)
{
    enum image_palette palette;

    if (options->palette != NULL && !image_find_palette(options->palette, &palette))
        return cli_refuse("--palette", options->palette, "grey, viridis, magma or thread");
    if (terminal_is_there(&options->terminal))
        return 0;
    fputs("tilery: --watch draws on the terminal behind stderr, and there is none\n", stderr);
    return CLI_USAGE_EXIT;
}

struct watch *watch_begin(const struct cli_options *options)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL || !drawing_begin(&watch->drawing, options)) {
        free(watch);
        return NULL;
    }
    watch->stale = true;
    terminal_take(ENTER, LEAVE);
    return watch;
}

static void draw(struct watch *watch, const struct format_tiles *tiles, bool last)
{
    const char *frame;
    size_t len = drawing_frame(&watch->drawing, tiles, watch->planned, last, &frame);

    terminal_put(frame, len);
}

void watch_show(struct watch *watch, const struct format_tiles *tiles, uint64_t planned)
{
    uint64_t now = wire_now_ns();

    if (now - watch->last_ns < FRAME_NS)
        return;
    watch->planned = planned;
    watch->last_ns = now;
    if (watch->stale && !drawing_fit(&watch->drawing))
        return;
    watch->stale = false;
    draw(watch, tiles, false);
}

void watch_take(struct watch *watch, int signal)
{
    if (signal == SIGTSTP) {
        /* Stopped by itself, so that the shell has its screen; goes on from here. */
        terminal_give_back();
        (void)raise(SIGSTOP);
        if (watch != NULL)
            terminal_take(ENTER, LEAVE);
    }
    if (watch != NULL)
        watch->stale |= signal == SIGTSTP || signal == SIGWINCH || signal == SIGCONT;
}

void watch_end(struct watch *watch, const struct format_tiles *tiles)
{
    if (watch == NULL)
        return;
    terminal_give_back();
    if (tiles != NULL && drawing_fit(&watch->drawing))
        draw(watch, tiles, true);
    drawing_end(&watch->drawing);
    free(watch);
}
