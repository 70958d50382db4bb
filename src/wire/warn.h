#ifndef TILERY_WIRE_WARN_H
#define TILERY_WIRE_WARN_H

/* Warnings about secrets, for a main: one line each on stderr, or none where all is well. */

#define WARN_IN_CLEAR "does not encrypt: the token can be read on its way"

/* Of a file that others than its owner may read; NULL is fine. */
void warn_of_file(const char *program, const char *path);

/* Of a client that shows its token to a server on another machine without TLS; servers: URLs with commas
 * between. */
void warn_of_token(const char *program, const char *servers);

#endif
