#ifndef TILERY_CLI_WATCH_DRAW_H
#define TILERY_CLI_WATCH_DRAW_H

#include <stddef.h>

#include "colours.h"
#include "lanes.h"
#include "terminal.h"

/* What tiles of a pixel of the drawing have come to: the sums of their colours, and how many there were. */
struct dot {
    uint32_t sums[COLOUR_BYTES], count;
};

/* A picture of tiles for a terminal: half blocks, two dots a character, or shades of characters. */
struct drawing {
    const struct cli_options *options;
    struct colours *palette;
    enum depth depth;
    bool utf8;
    unsigned columns, lines; /* of the terminal, */
    unsigned width, height;  /* and of the picture, in dots */
    unsigned lane_width;     /* in cells */
    uint64_t threads;        /* of which there are lanes for as many as have room */
    struct lanes lanes;
    struct dot *dots;
    double *busy; /* a lane's cells, each 0 to 1 */
    size_t drawn; /* tiles that the dots and the lanes know of, which are not looked at again */
    char *frame;  /* of room bytes */
    size_t len, room;
};

/* False: no memory. Ends with drawing_end. */
bool drawing_begin(struct drawing *drawing, const struct cli_options *options);
void drawing_end(struct drawing *drawing);

/* Before the first frame, and when the terminal's size may have changed. False: no memory. */
bool drawing_fit(struct drawing *drawing);

/* The bytes to write, which hold until the next frame: one over the last one, or the last one by itself. */
size_t drawing_frame(struct drawing *drawing, const struct format_tiles *tiles, uint64_t planned, bool last,
                     const char **out);

#endif
