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
#define PART_COLUMNS 6u  /* of the percentage beside the bar, and one that stays free */
#define LINE_BYTES 512u
#define FIGURES_BYTES 128u

bool progress_is_wanted(const struct cli_options *options)
{
    return !options->quiet && !options->verbose && terminal_is_there(&options->terminal);
}

void progress_begin(struct progress *progress, const struct cli_options *options, const char *unit)
{
    *progress = (struct progress){.unit = unit,
                                  .wanted = progress_is_wanted(options),
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

/* Where there is no room for the figures there is all the more of it for the bar. */
static void draw(const struct progress *progress, double part, double left_s, const char *figures)
{
    char line[LINE_BYTES], *out = stpcpy(line, "\r");
    unsigned columns, lines, width;
    bool has_figures;

    terminal_size(&columns, &lines);
    has_figures = columns > TEXT_COLUMNS;
    width = has_figures ? columns - TEXT_COLUMNS : columns > PART_COLUMNS ? columns - PART_COLUMNS : 0;
    if (width >= 8) {
        out = put_bar(out, progress, width < BAR_MAX ? width : BAR_MAX, part);
        *out++ = ' ';
    }
    out += sprintf(out, "%3.0f%%", 100 * part);
    if (has_figures) {
        out = stpcpy(out, figures);
        if (left_s >= 0)
            out = put_left(out, (uint64_t)(left_s + 0.5));
    }
    out = stpcpy(out, "\033[K");
    terminal_put(line, (size_t)(out - line));
}

/* Whether it is time to draw; then for how long it has gone on. */
static bool is_time(struct progress *progress, double *seconds)
{
    uint64_t now;

    if (!progress->wanted)
        return false;
    now = wire_now_ns();
    if (now - progress->start_ns < SHORT_MS * NS_PER_MS || now - progress->last_ns < PROGRESS_MS * NS_PER_MS)
        return false;
    if (!progress->drawn)
        terminal_take("", "\r\033[K");
    progress->drawn = true;
    progress->last_ns = now;
    *seconds = (double)(now - progress->start_ns) / 1e9;
    return true;
}

void progress_show(struct progress *progress, uint64_t done, uint64_t planned)
{
    char figures[FIGURES_BYTES];
    double seconds, part = planned != 0 ? (double)done / (double)planned : 0;

    if (!is_time(progress, &seconds))
        return;
    (void)snprintf(figures, sizeof figures, "  %" PRIu64 " of %" PRIu64 " %s  %.0f/s", done, planned,
                   progress->unit, (double)done / seconds);
    draw(progress, part, part > 0 ? seconds * (1 - part) / part : -1, figures);
}

/* The time may be a little earlier than the bar: less than nothing then. */
static double seconds_after(const struct progress *progress, uint64_t ns)
{
    return (double)(int64_t)(ns - progress->start_ns) / 1e9;
}

void progress_show_time(struct progress *progress, uint64_t from_ns, uint64_t until_ns, uint64_t done)
{
    char figures[FIGURES_BYTES] = "  warming up";
    double since_start, seconds, left_s, all = (double)(until_ns - from_ns) / 1e9;

    if (!is_time(progress, &since_start))
        return;
    seconds = since_start - seconds_after(progress, from_ns);
    if (seconds > 0)
        (void)snprintf(figures, sizeof figures, "  %" PRIu64 " %s  %.0f/s", done, progress->unit,
                       (double)done / seconds);
    else
        seconds = 0;
    left_s = seconds_after(progress, until_ns) - since_start;
    draw(progress, seconds < all ? seconds / all : 1, left_s > 0 ? left_s : 0, figures);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        terminal_give_back();
    progress->drawn = progress->wanted = false;
}
