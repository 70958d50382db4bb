#ifndef TILERY_DAEMON_LINE_H
#define TILERY_DAEMON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct rpc_ended;
struct service_stream_run;

/* A whole line fits what a pipe takes in one piece. */
#define LINE_BYTES 4096

/*
 * One line of the log, logfmt or JSON, put together field by field. Texts may be anybody's: they cannot end
 * the line, forge a field or reach a terminal, as everything but printable ASCII is escaped, byte by byte, as
 * in a JSON string. logfmt takes a text as it is where it is plain, and otherwise in quotes. A field that
 * does not fit is left out whole.
 */
struct line {
    bool json;
    bool full; /* the field under way does not fit */
    size_t len;
    char text[LINE_BYTES];
};

/* ts and level come first, line_end last. */
void line_begin(struct line *line, bool json, const struct timespec *when, const char *level);
void line_end(struct line *line);

/* Cuts the value after `most` bytes, and shows that by "..." after them. */
void line_add_text(struct line *line, const char *key, const char *value, size_t most);
void line_add_count(struct line *line, const char *key, uint64_t value);

/* Nanoseconds, written as milliseconds with three digits after the point. */
void line_add_ms(struct line *line, const char *key, uint64_t ns);

/* The line about a stream's run, whole. */
void line_of_stream(struct line *line, bool json, const struct timespec *when,
                    const struct service_stream_run *run);

/* The line about a call, whole. */
void line_of_call(struct line *line, bool json, const struct timespec *when, const struct rpc_ended *ended);

#endif
