/* What the formats share. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

bool format_find(const char *name, enum format *out)
{
    static const char *const names[] = {[FORMAT_JSON] = "json",
                                        [FORMAT_NDJSON] = "ndjson",
                                        [FORMAT_CSV] = "csv",
                                        [FORMAT_TABLE] = "table",
                                        [FORMAT_TRACE] = "trace"};
    unsigned i = 0;

    while (i < sizeof names / sizeof *names && strcmp(names[i], name) != 0)
        i++;
    *out = (enum format)i;
    return i < sizeof names / sizeof *names;
}

void format_init(struct format_writer *writer, enum format format,
                 const struct tilery_compute_request *request, const tilery_result *result,
                 const struct format_options *options)
{
    *writer = (struct format_writer){.format = format, .request = request, .result = result};
    if (options != NULL)
        writer->options = *options;
}

void format_init_tiles(struct format_writer *writer, enum format format,
                       const struct tilery_compute_request *request, const struct format_tiles *tiles,
                       const struct format_options *options)
{
    format_init(writer, format, request, NULL, options);
    writer->tiles = tiles;
}

size_t format_count(const struct format_writer *writer)
{
    return writer->tiles != NULL ? writer->tiles->count : tilery_result_count(writer->result);
}

struct tilery_record format_next_record(const struct format_writer *writer)
{
    return writer->tiles != NULL ? writer->tiles->tiles[writer->next].record
                                 : tilery_result_record(writer->result, writer->next);
}

const struct format_tile *format_next_tile(const struct format_writer *writer)
{
    const struct format_tile *tile = writer->tiles != NULL ? &writer->tiles->tiles[writer->next] : NULL;

    return tile != NULL && tile->counts != NULL ? tile : NULL;
}

const uint32_t *format_next_attempt(const struct format_writer *writer)
{
    const struct format_tiles *tiles = writer->tiles;

    return tiles != NULL && tiles->count != 0 && tiles->tiles[tiles->count - 1].attempt != 0
               ? &tiles->tiles[writer->next].attempt
               : NULL;
}

struct tilery_summary format_summary_of(const struct format_writer *writer)
{
    return writer->tiles != NULL ? writer->tiles->summary : tilery_result_summary(writer->result);
}

struct tilery_thread format_next_thread(const struct format_writer *writer)
{
    return writer->tiles != NULL ? writer->tiles->threads[writer->next]
                                 : tilery_result_thread(writer->result, writer->next);
}

size_t format_next(struct format_writer *writer, char *buffer, size_t size)
{
    static format_stage_fn *const stages[] = {[FORMAT_JSON] = format_json,
                                              [FORMAT_NDJSON] = format_ndjson,
                                              [FORMAT_CSV] = format_csv,
                                              [FORMAT_TABLE] = format_table,
                                              [FORMAT_TRACE] = format_trace};
    char *out = buffer;

    while (writer->stage != FORMAT_END && format_fits(out, buffer + size))
        out = stages[writer->format](writer, out, buffer + size);
    return (size_t)(out - buffer);
}

char *format_digits(char *out, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;

    do
        digits[--n] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    memcpy(out, &digits[n], sizeof digits - n);
    return out + (sizeof digits - n);
}

char *format_double(char *out, const char *before, double value)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return format_text(format_text(out, before), isfinite(value) ? text : "null");
}

char *format_ns(char *out, const char *before, uint64_t ns, unsigned power)
{
    uint64_t step = power == 1 ? 1 : 1000, thousandths = ns / step % 1000;

    out = format_number(out, before, ns / step / 1000);
    *out++ = '.';
    *out++ = (char)('0' + thousandths / 100);
    *out++ = (char)('0' + thousandths / 10 % 10);
    *out++ = (char)('0' + thousandths % 10);
    return out;
}

char *format_word(char *out, const char *before, const char *word)
{
    out = format_text(out, before);
    for (size_t i = 0; word[i] != '\0' && i < FORMAT_MAX_NAME; i++)
        if (isalnum((unsigned char)word[i]) || word[i] == '_' || word[i] == '-')
            *out++ = word[i];
    return out;
}

char *format_name(char *out, const char *before, const char *name)
{
    return format_text(format_word(format_text(out, before), "\"", name), "\"");
}
