#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "terminal.h"
#include "wire/clock.h"

#define NS_PER_MS UINT64_C(1000000)
#define SHORT_MS 500u
#define BAR_MAX 40u
#define TEXT_COLUMNS 50u /* beside the bar */
#define LINE_BYTES 512u

bool progress_is_wanted(const struct cli_options *options)
{
    return !options->quiet && terminal_is_there(&options->terminal);
}

void progress_begin(struct progress *progress, const struct cli_options *options)
{
    *progress = (struct progress){.wanted = progress_is_wanted(options),
                                  .utf8 = options->terminal.utf8,
                                  .colours = terminal_depth(&options->terminal) != DEPTH_NONE,
                                  .start_ns = wire_now_ns()};
}

static char *put_bar(char *out, const struct progress *progress, unsigned width, double part)
{
    unsigned full = (unsigned)(part * width + 0.5);

    if (progress->colours)
        out = stpcpy(out, "\033[36m");
    for (unsigned i = 0; i < width; i++) {
        if (progress->colours && i == full)
            out = stpcpy(out, "\033[90m");
        if (progress->utf8)
            out = stpcpy(out, i < full || progress->colours ? "\u2501" : " ");
        else
            *out++ = i < full ? '#' : '-';
    }
    return progress->colours ? stpcpy(out, "\033[0m") : out;
}

static char *put_left(char *out, uint64_t seconds)
{
    if (seconds >= 3600)
        return out + sprintf(out, "  %" PRIu64 ":%02u:%02u left", seconds / 3600,
                             (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
    return out + sprintf(out, "  %u:%02u left", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
}

static void draw(const struct progress *progress, uint64_t done, uint64_t planned, double seconds)
{
    char line[LINE_BYTES], *out = stpcpy(line, "\r");
    double part = planned != 0 ? (double)done / (double)planned : 0, rate = (double)done / seconds;
    unsigned columns, lines, width;

    terminal_size(&columns, &lines);
    width = columns > TEXT_COLUMNS ? columns - TEXT_COLUMNS : 0;
    if (width >= 8) {
        out = put_bar(out, progress, width < BAR_MAX ? width : BAR_MAX, part);
        *out++ = ' ';
    }
    out += sprintf(out, "%3.0f%%", 100 * part);
    if (columns > TEXT_COLUMNS)
        out += sprintf(out, "  %" PRIu64 " of %" PRIu64 " tiles  %.0f/s", done, planned, rate);
    if (columns > TEXT_COLUMNS && done != 0)
        out = put_left(out, (uint64_t)((double)(planned - done) / rate + 0.5));
    out = stpcpy(out, "\033[K");
    terminal_put(line, (size_t)(out - line));
}

void progress_show(struct progress *progress, uint64_t done, uint64_t planned)
{
    uint64_t now;

    if (!progress->wanted)
        return;
    now = wire_now_ns();
    if (now - progress->start_ns < SHORT_MS * NS_PER_MS || now - progress->last_ns < PROGRESS_MS * NS_PER_MS)
        return;
    if (!progress->drawn)
        terminal_take("", "\r\033[K");
    progress->drawn = true;
    progress->last_ns = now;
    draw(progress, done, planned, (double)(now - progress->start_ns) / 1e9);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        terminal_give_back();
    progress->drawn = progress->wanted = false;
}
