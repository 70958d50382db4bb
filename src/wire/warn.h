#ifndef TILERY_WIRE_WARN_H
#define TILERY_WIRE_WARN_H

#include <argp.h>

/* Warnings, for a main: one line each on stderr, or none where all is well. */

/* How a line looks: level is "info", "warn" or "error". It writes the line, at once. */
typedef void warn_line_fn(const char *program, const char *level, const char *text);

/* For a main, before it says anything: lines look so from now on, and not as `tileryd: warning: ...`. */
void warn_with(warn_line_fn *line);

/* A line of any words, behind the program's name; "warning: " and "error: " before them are their level, else
 * it is info. It is left out where nobody takes what stderr holds for a second: no main is to wait for a
 * reader. */
void warn_say(const char *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define WARN_IN_CLEAR "does not encrypt: the token can be read on its way"

/* Of a file that others than its owner may read; NULL is fine. */
void warn_of_file(const char *program, const char *path);

/* Of a certificate of one's own that has expired, or is not valid yet; NULL is fine. */
void warn_of_certificate(const char *program, const char *path);

/* Of a client that shows its token to a server on another machine without TLS; servers: URLs with commas
 * between. */
void warn_of_token(const char *program, const char *servers);

/* Writes out what stdout holds, which is where the program listens, and warns where that cannot be. */
void warn_of_stdout(const char *program);

/* What became of SIGHUP: failure is why that token file could not be read again, NULL where it could; path
 * NULL: there is none. Callers may now show one of so many tokens, at most two; 0: it is a client's own. A
 * file that cannot be used is no reason to end. The options are the program's, and prefix stands before
 * token-file in the one that names the file: for option_message. */
void warn_of_reload(const char *program, const struct argp_option *options, const char *prefix,
                    const char *path, size_t tokens, const char *failure);

#endif
