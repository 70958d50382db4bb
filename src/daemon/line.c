#include "daemon/line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)

/* Kept free for the end: a brace and the newline. */
#define END_BYTES 2

static void put(struct line *line, const char *bytes, size_t len)
{
    line->full |= len > LINE_BYTES - END_BYTES - line->len;
    if (line->full)
        return;
    memcpy(&line->text[line->len], bytes, len);
    line->len += len;
}

static void put_string(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* A JSON string: https://www.rfc-editor.org/rfc/rfc8259#section-7 */
static void put_quoted(struct line *line, const char *value, size_t len, bool cut)
{
    char escaped[8];

    put_string(line, "\"");
    for (size_t i = 0; i < len; i++) {
        if (value[i] >= ' ' && value[i] <= '~') {
            if (value[i] == '"' || value[i] == '\\')
                put_string(line, "\\");
            put(line, &value[i], 1);
        } else {
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)value[i]);
            put_string(line, escaped);
        }
    }
    put_string(line, cut ? "...\"" : "\"");
}

static bool is_plain(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' || value[i] == '=' || value[i] == '\\')
            return false;
    return len != 0;
}

/* Returns where the field begins, for end_field. */
static size_t begin_field(struct line *line, const char *key)
{
    size_t start = line->len;

    line->full = false;
    if (line->len != (size_t)line->json)
        put_string(line, line->json ? "," : " ");
    put_string(line, line->json ? "\"" : "");
    put_string(line, key);
    put_string(line, line->json ? "\":" : "=");
    return start;
}

static void end_field(struct line *line, size_t start)
{
    if (line->full)
        line->len = start;
}

static void add_plain(struct line *line, const char *key, const char *value)
{
    size_t start = begin_field(line, key);

    put_string(line, value);
    end_field(line, start);
}

void line_add_text(struct line *line, const char *key, const char *value, size_t most)
{
    size_t len = strnlen(value, most + 1), start = begin_field(line, key);
    bool cut = len > most;

    if (cut)
        len = most;
    if (line->json || cut || !is_plain(value, len))
        put_quoted(line, value, len, cut);
    else
        put(line, value, len);
    end_field(line, start);
}

void line_add_count(struct line *line, const char *key, uint64_t value)
{
    char digits[24];

    (void)snprintf(digits, sizeof digits, "%" PRIu64, value);
    add_plain(line, key, digits);
}

void line_add_ms(struct line *line, const char *key, uint64_t ns)
{
    char digits[32];

    (void)snprintf(digits, sizeof digits, "%" PRIu64 ".%03" PRIu64, ns / NS_PER_MS,
                   ns / NS_PER_US % UINT64_C(1000));
    add_plain(line, key, digits);
}

void line_begin(struct line *line, bool json, const struct timespec *when, const char *level)
{
    char stamp[32], whole[40];
    struct tm utc;

    line->json = json;
    line->len = json; /* the brace */
    line->text[0] = '{';
    gmtime_r(&when->tv_sec, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(whole, sizeof whole, "%s.%03dZ", stamp, (int)(when->tv_nsec / 1000000));
    line_add_text(line, "ts", whole, sizeof whole);
    line_add_text(line, "level", level, 8);
}

void line_end(struct line *line)
{
    if (line->json)
        line->text[line->len++] = '}';
    line->text[line->len++] = '\n';
}
