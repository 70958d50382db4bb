#ifndef TILERY_FORMAT_FORMAT_H
#define TILERY_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "tilery/client.h"

/* How a computation's records are written. */
enum format {
    FORMAT_JSON,   /* the documented JSON, compact: {"success": true, "data": [records], "params": ...} */
    FORMAT_NDJSON, /* a record a line, with ns; the summary last, where it is asked for */
    FORMAT_CSV,    /* a record a line, with ns, under a line of names: RFC 4180 with plain line feeds */
    FORMAT_TABLE,  /* for people: a record a line, and the summary, in milliseconds */
    FORMAT_TRACE   /* Chrome's trace events, for Perfetto: a lane a thread */
};

/* By its lower-case name. False when there is none of that name. */
bool format_find(const char *name, enum format *out);

/* What is added to the documented JSON. All zero: nothing. */
struct format_options {
    bool ns;      /* start_time_ns and duration_ns in every record */
    bool summary; /* "summary", after the documented keys */
    /* These in "params", too. */
    bool schedule, kernel, region;
};

/* A tile, perhaps with its counts, and a run's tiles: what a run may be written of instead of a result. */
struct format_tile {
    struct tilery_record record;
    uint32_t columns, rows; /* of the counts */
    uint32_t attempt;       /* the run of a stream's tile, by whose clock its times are */
    const uint16_t *counts; /* NULL: they are not written */
};

struct tilery_record format_tile_record(const struct tilery_tile *tile);

struct format_tiles {
    const struct format_tile *tiles; /* in the order that they are written in */
    size_t count;
    struct tilery_summary summary;
    const struct tilery_thread *threads; /* of the summary */
};

/*
 * Writes a result in pieces of any size, so that a million records need no more memory than ten. Plain data;
 * nothing to free. The request and the result stay the caller's and outlive it.
 */
struct format_writer {
    enum format format;
    const struct tilery_compute_request *request;
    const tilery_result *result;
    const struct format_tiles *tiles; /* NULL: a result is written */
    struct format_options options;
    unsigned stage; /* 0 at first; each format has its own */
    size_t next;    /* record or thread, within a stage */
    size_t used;    /* of the tile's counts, in bytes; 0: its record is not yet written */
};

/* options may be NULL. */
void format_init(struct format_writer *writer, enum format format,
                 const struct tilery_compute_request *request, const tilery_result *result,
                 const struct format_options *options);

/* The same of tiles, which outlive the writer, too. Where they have counts, each record has its tile's
 * columns, rows, attempt and data in JSON, NDJSON and CSV: the counts as little-endian uint16, row by row, in
 * base64. Either all have counts or none. Without them the records have an attempt where there were several,
 * by which they are sorted, and in a trace each attempt is a process. */
void format_init_tiles(struct format_writer *writer, enum format format,
                       const struct tilery_compute_request *request, const struct format_tiles *tiles,
                       const struct format_options *options);

/* The buffer given to format_next holds at least this many bytes. */
#define FORMAT_MIN_BUFFER 1024u

/* Writes the next piece, not terminated, and returns its length; 0 when all is written. */
size_t format_next(struct format_writer *writer, char *buffer, size_t size);

/* Writes the text, and ns with three digits after the point, cut and not rounded, in units of 1,000^power ns:
 * 1 for us, 2 for ms. Returns the end. */
char *format_ns(char *out, const char *before, uint64_t ns, unsigned power);

#endif
