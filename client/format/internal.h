#ifndef TILERY_FORMAT_INTERNAL_H
#define TILERY_FORMAT_INTERNAL_H

#include <string.h>

#include "base64.h"
#include "format.h"

/* The longest piece, the JSON summary without its threads, is well below this: ten keys, numbers of at most
 * twenty digits, and a kernel's name of at most FORMAT_MAX_NAME characters. */
#define FORMAT_MAX_PIECE 768u
#define FORMAT_MAX_NAME 64

#define FORMAT_END 99u /* the stage after the last */

/* Each writes one piece of the writer's stage into a buffer with room for it, and returns its end. */
typedef char *format_stage_fn(struct format_writer *writer, char *out, const char *end);
format_stage_fn format_json, format_ndjson, format_csv, format_table, format_trace;

/* Whether another piece fits. */
static inline bool format_fits(const char *out, const char *end)
{
    return (size_t)(end - out) >= FORMAT_MAX_PIECE;
}

/* The next stage, with its items from the first on. */
static inline void format_enter(struct format_writer *writer, unsigned stage)
{
    writer->stage = stage;
    writer->next = 0;
}

/* Each returns the end of what it wrote. */
char *format_digits(char *out, uint64_t value);

/* In line, as the compiler knows the length of most texts. */
static inline char *format_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return out + len;
}

static inline char *format_number(char *out, const char *before, uint64_t value)
{
    return format_digits(format_text(out, before), value);
}

/* The shortest form that reads back as the same double; null where JSON has none. */
char *format_double(char *out, const char *before, double value);
/* Names come from lists of lower-case words; what is none of these, from elsewhere, is left out. */
char *format_word(char *out, const char *before, const char *word);
/* The same in quotes. */
char *format_name(char *out, const char *before, const char *name);

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "counts are written as they lie in memory");

/* What is written: a result's, or the tiles'. */
size_t format_count(const struct format_writer *writer);
struct tilery_record format_next_record(const struct format_writer *writer);
struct tilery_summary format_summary_of(const struct format_writer *writer);
struct tilery_thread format_next_thread(const struct format_writer *writer);

/* The next tile, where it is written with its counts; else NULL. */
const struct format_tile *format_next_tile(const struct format_writer *writer);

/* The attempt that the next record's times are of, where the rest was computed anew; else NULL: there was but
 * one. */
const uint32_t *format_next_attempt(const struct format_writer *writer);

/* The tile's columns, rows and data after its record in JSON, or what comes next of them; then moves on to
 * the next tile. A piece has room for the record, or for some of the counts. */
char *format_tile_json(struct format_writer *writer, char *out, const char *end, bool ns);

/* The next record, and its attempt where there is one to tell. */
char *format_next_json(const struct format_writer *writer, char *out, bool ns);

/* {"task_id":...} with ns or without, and {"wall_ns":...,"threads":[ without the threads. */
char *format_record(char *out, const struct tilery_record *record, bool ns);
char *format_summary(char *out, const struct tilery_summary *summary);
char *format_thread(char *out, const struct tilery_thread *thread);

/* The values used: {"width":...,"mode":"concurrent"}. */
char *format_params(char *out, const struct tilery_compute_request *request,
                    const struct format_options *options);

#endif
