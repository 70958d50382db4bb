#ifndef TILERY_WIRE_TOKEN_FILE_H
#define TILERY_WIRE_TOKEN_FILE_H

#include "wire/token.h"

/* The token that callers must show, from the first line of a file that is read again while they are checked.
 * A token in its second line is as good: with the old one there, callers may have either while it changes.
 * What follows must be blank. */
struct token_file;

enum token_shown { TOKEN_SHOWN, TOKEN_MISSING, TOKEN_WRONG };

/* INVALID_ARGUMENT says what is wrong. Ends with token_file_free. */
WIRE_MUST_USE enum wire_status token_file_create(const char *path, struct token_file **out,
                                                 struct wire_error *error);
void token_file_free(struct token_file *file);

/* Reads the file again: a token that it has no more is worth nothing from now on, or, on failure, still in
 * force. *count tokens are good now, or 0. NULL is fine. For one thread, while others check. */
WIRE_MUST_USE enum wire_status token_file_reload(struct token_file *file, size_t *count,
                                                 struct wire_error *error);

/* authorization: "Bearer TOKEN", or NULL where there was none. Any thread. */
enum token_shown token_file_check(struct token_file *file, const char *authorization);

#endif
