/* Frames: the picture, the lanes and a line of figures. */
#include "watch_draw.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES 48u   /* two colours and a character */
#define LABEL_COLUMNS 4u /* before a lane, */
#define SHARE_COLUMNS 6u /* and behind */
#define SAMPLES 4u       /* of a dot's pixels, each way */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- Shape ---- */

bool drawing_begin(struct drawing *drawing, const struct cli_options *options)
{
    enum image_palette palette = IMAGE_VIRIDIS;

    if (options->palette != NULL)
        (void)image_find_palette(options->palette, &palette);
    *drawing =
        (struct drawing){.options = options,
                         .utf8 = options->terminal.utf8,
                         .depth = options->terminal.utf8 ? terminal_depth(&options->terminal) : DEPTH_NONE};
    drawing->palette = colours_new(palette, (uint32_t)options->request.max_iter);
    return drawing->palette != NULL;
}

void drawing_end(struct drawing *drawing)
{
    colours_free(drawing->palette);
    lanes_end(&drawing->lanes);
    free(drawing->dots);
    free(drawing->busy);
    free(drawing->frame);
}

/* As large as fits; a dot is about as wide as it is high. */
static void fit_picture(struct drawing *drawing, unsigned lines)
{
    const struct tilery_compute_request *request = &drawing->options->request;
    uint64_t across = drawing->columns, down = 2 * (uint64_t)lines;

    if (across * request->height > down * request->width)
        across = down * request->width / request->height;
    else
        down = across * request->height / request->width;
    drawing->width = across != 0 ? (unsigned)across : 1;
    drawing->height = down != 0 ? (unsigned)((down + 1) & ~UINT64_C(1)) : 2;
}

bool drawing_fit(struct drawing *drawing)
{
    const struct tilery_compute_request *request = &drawing->options->request;
    unsigned lanes;
    size_t cells;

    terminal_size(&drawing->columns, &drawing->lines);
    drawing->threads = request->mode == TILERY_MODE_SEQUENTIAL ? 1 : request->num_threads;
    lanes = (unsigned)least(drawing->threads, drawing->lines / 4);
    drawing->lane_width = drawing->columns > LABEL_COLUMNS + SHARE_COLUMNS + 1
                              ? drawing->columns - LABEL_COLUMNS - SHARE_COLUMNS - 1
                              : 1;
    fit_picture(drawing, drawing->lines > lanes + 2 ? drawing->lines - lanes - 2 : 1);
    cells = (size_t)drawing->width * drawing->height / 2 + (size_t)lanes * drawing->lane_width;
    drawing->room = (cells + (size_t)drawing->lines * 4 + 16) * CELL_BYTES;
    lanes_end(&drawing->lanes);
    free(drawing->dots);
    free(drawing->busy);
    free(drawing->frame);
    drawing->dots = calloc((size_t)drawing->width * drawing->height, sizeof *drawing->dots);
    drawing->busy = malloc((drawing->lane_width + 1) * sizeof *drawing->busy);
    drawing->frame = malloc(drawing->room);
    drawing->drawn = 0;
    return lanes_begin(&drawing->lanes, lanes) && drawing->dots != NULL && drawing->busy != NULL &&
           drawing->frame != NULL;
}

/* ---- Dots ---- */

/* A dot's pixels along one side of the image, of which there is at least one; those within the tile. */
struct span {
    uint64_t from, to, step;
};

static struct span span_of(uint64_t dot, uint64_t dots, uint64_t size, uint64_t tile, uint64_t tile_size)
{
    struct span span = {.from = dot * size / dots, .to = (dot + 1) * size / dots};

    if (span.to <= span.from)
        span.to = span.from + 1;
    span.step = (span.to - span.from + SAMPLES - 1) / SAMPLES;
    if (span.from < tile)
        span.from = tile;
    span.to = least(span.to, tile + tile_size);
    return span;
}

static void add_dot(const struct drawing *drawing, const struct format_tile *tile, uint64_t x, uint64_t y)
{
    const struct tilery_compute_request *request = &drawing->options->request;
    const struct tilery_record *record = &tile->record;
    struct span across = span_of(x, drawing->width, request->width, record->tile_x, tile->columns);
    struct span down = span_of(y, drawing->height, request->height, record->tile_y, tile->rows);
    struct dot *dot = &drawing->dots[y * drawing->width + x];
    uint8_t colour[COLOUR_BYTES];

    for (uint64_t row = down.from; row < down.to; row += down.step)
        for (uint64_t column = across.from; column < across.to; column += across.step) {
            colours_of(drawing->palette,
                       tile->counts[(row - record->tile_y) * tile->columns + column - record->tile_x],
                       record->thread_id, colour);
            for (unsigned i = 0; i < COLOUR_BYTES; i++)
                dot->sums[i] += colour[i];
            dot->count++;
        }
}

static void add_tile(const struct drawing *drawing, const struct format_tile *tile)
{
    const struct tilery_compute_request *request = &drawing->options->request;
    uint64_t right = ((uint64_t)tile->record.tile_x + tile->columns) * drawing->width / request->width + 1;
    uint64_t bottom = ((uint64_t)tile->record.tile_y + tile->rows) * drawing->height / request->height + 1;

    for (uint64_t y = (uint64_t)tile->record.tile_y * drawing->height / request->height;
         y < least(bottom, drawing->height); y++)
        for (uint64_t x = (uint64_t)tile->record.tile_x * drawing->width / request->width;
             x < least(right, drawing->width); x++)
            add_dot(drawing, tile, x, y);
}

/* ---- Text ---- */

__attribute__((format(printf, 2, 3))) static void put(struct drawing *drawing, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(&drawing->frame[drawing->len], drawing->room - drawing->len, format, args);
    va_end(args);
    if (len > 0 && (size_t)len < drawing->room - drawing->len)
        drawing->len += (size_t)len;
}

/* layer: 38 for the character, 48 for what is behind it. NULL: the terminal's own. */
static void put_colour(struct drawing *drawing, unsigned layer, const uint8_t *colour)
{
    if (colour == NULL)
        put(drawing, "\033[%um", layer + 1);
    else if (drawing->depth == DEPTH_24_BIT)
        put(drawing, "\033[%u;2;%u;%u;%um", layer, colour[0], colour[1], colour[2]);
    else /* the cube of 6 x 6 x 6 */
        put(drawing, "\033[%u;5;%um", layer,
            16u + 36u * ((colour[0] * 5u + 127u) / 255u) + 6u * ((colour[1] * 5u + 127u) / 255u) +
                (colour[2] * 5u + 127u) / 255u);
}

static void end_line(struct drawing *drawing, bool last)
{
    put(drawing, "%s%s\n", drawing->depth != DEPTH_NONE ? "\033[0m" : "", last ? "" : "\033[K\r");
}

/* ---- The picture ---- */

/* NULL: nothing has come of it. */
static const uint8_t *mean(const struct dot *dot, uint8_t out[COLOUR_BYTES])
{
    for (unsigned i = 0; i < COLOUR_BYTES && dot->count != 0; i++)
        out[i] = (uint8_t)(dot->sums[i] / dot->count);
    return dot->count != 0 ? out : NULL;
}

static void put_blocks(struct drawing *drawing, const struct dot *upper, const struct dot *lower)
{
    for (unsigned x = 0; x < drawing->width; x++) {
        uint8_t room[2][COLOUR_BYTES];
        const uint8_t *top = mean(&upper[x], room[0]), *bottom = mean(&lower[x], room[1]);

        if (top == NULL && bottom == NULL) {
            put(drawing, "\033[0m ");
            continue;
        }
        put_colour(drawing, 38, top != NULL ? top : bottom);
        put_colour(drawing, 48, top != NULL ? bottom : NULL);
        put(drawing, "%s", top != NULL ? "\u2580" : "\u2584");
    }
}

static unsigned lightness(const struct dot *dot)
{
    return dot->count != 0 ? (54 * dot->sums[0] / dot->count + 183 * dot->sums[1] / dot->count +
                              19 * dot->sums[2] / dot->count) /
                                 256
                           : 0;
}

static void put_shades(struct drawing *drawing, const struct dot *upper, const struct dot *lower)
{
    static const char shades[] = " .:-=+*#%@";

    for (unsigned x = 0; x < drawing->width; x++) {
        unsigned light = (lightness(&upper[x]) + lightness(&lower[x])) / 2;

        put(drawing, "%c", shades[light * (sizeof shades - 1) / 256]);
    }
}

static void put_picture(struct drawing *drawing, bool last)
{
    for (unsigned y = 0; y < drawing->height; y += 2) {
        const struct dot *upper = &drawing->dots[(size_t)y * drawing->width], *lower = upper + drawing->width;

        if (drawing->depth != DEPTH_NONE)
            put_blocks(drawing, upper, lower);
        else
            put_shades(drawing, upper, lower);
        end_line(drawing, last);
    }
}

/* ---- Lanes ---- */

static void put_cell(struct drawing *drawing, double busy)
{
    /* Never quite full, so that lanes stay apart. */
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583",
                                         "\u2584", "\u2585", "\u2586", "\u2587"};
    unsigned part = busy < 1 ? (unsigned)(busy * 7 + 0.5) : 7;

    if (drawing->utf8)
        put(drawing, "%s", blocks[part]);
    else
        put(drawing, "%c", " ..::==#"[part]);
}

static void put_lane(struct drawing *drawing, unsigned thread)
{
    const struct lanes *lanes = &drawing->lanes;
    uint8_t colour[COLOUR_BYTES];

    lanes_parts(lanes, thread, drawing->busy, drawing->lane_width);
    put(drawing, "%3u ", thread);
    colours_thread(thread, colour);
    if (drawing->depth != DEPTH_NONE)
        put_colour(drawing, 38, colour);
    for (unsigned cell = 0; cell < drawing->lane_width; cell++)
        put_cell(drawing, drawing->busy[cell]);
    put(drawing, "%s %4.0f%%", drawing->depth != DEPTH_NONE ? "\033[0m" : "",
        100 * lanes->busy_ns[thread] / (double)lanes->end_ns);
}

/* ---- Frames ---- */

/* As much as fits: what is left out first is what matters least. */
static void put_figures(struct drawing *drawing, const struct format_tiles *tiles, uint64_t planned)
{
    double percent = planned != 0 ? 100 * (double)tiles->count / (double)planned : 0;
    double ms = tiles->count != 0 ? (double)drawing->lanes.end_ns / 1e6 : 0;
    char counted[64], hidden[64] = "", lines[4][160];
    unsigned line = 0;

    (void)snprintf(counted, sizeof counted, "  %zu of %" PRIu64 " tiles", tiles->count, planned);
    if (drawing->lanes.count < drawing->threads)
        (void)snprintf(hidden, sizeof hidden, "  %u of %" PRIu64 " threads", drawing->lanes.count,
                       drawing->threads);
    (void)snprintf(lines[0], sizeof lines[0], "%3.0f%%%s  %.1f ms%s%s", percent, counted, ms, hidden,
                   hidden[0] != '\0' ? " shown" : "");
    (void)snprintf(lines[1], sizeof lines[1], "%3.0f%%  %.1f ms%s", percent, ms, hidden);
    (void)snprintf(lines[2], sizeof lines[2], "%3.0f%%  %.1f ms", percent, ms);
    (void)snprintf(lines[3], sizeof lines[3], "%3.0f%%", percent);
    while (line < 3 && strlen(lines[line]) >= drawing->columns)
        line++;
    put(drawing, "%.*s", (int)drawing->columns - 1, lines[line]);
}

size_t drawing_frame(struct drawing *drawing, const struct format_tiles *tiles, uint64_t planned, bool last,
                     const char **out)
{
    for (; drawing->drawn < tiles->count; drawing->drawn++) {
        add_tile(drawing, &tiles->tiles[drawing->drawn]);
        lanes_add(&drawing->lanes, &tiles->tiles[drawing->drawn].record);
    }
    drawing->len = 0;
    if (!last)
        put(drawing, "\033[H");
    put_picture(drawing, last);
    for (unsigned thread = 0; thread < drawing->lanes.count; thread++) {
        put_lane(drawing, thread);
        end_line(drawing, last);
    }
    put_figures(drawing, tiles, planned);
    put(drawing, "%s", last ? "\n" : "\033[K\033[J");
    *out = drawing->frame;
    return drawing->len;
}
