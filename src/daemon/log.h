#ifndef TILERY_DAEMON_LOG_H
#define TILERY_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/status.h"

struct line;
struct rpc_ended;
struct service_stream_run;

/*
 * A log of lines, written by a thread of its own: whoever has something to say leaves it in a bounded buffer
 * and goes on. Lines that find no room, as the reader is slow or stands still, are dropped and counted, and
 * the count is a line of its own as soon as there is room. Lines are written whole, and no more of them at
 * once than a pipe takes in one piece, so that those of several processes do not mix. A line is written at
 * once, or 10 ms after the one before.
 *
 * Any thread may call any function but log_free.
 */
struct log;

/* The descriptor stays the caller's, and stays as blocking as it is. Ends with log_free. */
WIRE_MUST_USE enum wire_status log_create(int fd, bool json, struct log **out, struct wire_error *error);

/* Writes what is left, for at most a second where nobody takes it. NULL is fine. */
void log_free(struct log *log);

/* Writes a line of a program's own words to stderr, as JSON, at once and without a log: a main's
 * warn_line_fn. */
void log_say_json(const char *program, const char *level, const char *text);

/* One line, whole. */
void log_line(struct log *log, const struct line *line);

/* A line about so many connections to that address. */
void log_connections(struct log *log, const char *address, uint64_t count, const char *message);

/* One line about a stream's run that has ended. */
void log_stream(struct log *log, const struct service_stream_run *run);

/* One line about a call that has ended. */
void log_call(struct log *log, const struct rpc_ended *ended);

#endif
