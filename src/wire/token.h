#ifndef TILERY_WIRE_TOKEN_H
#define TILERY_WIRE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/status.h"

/*
 * The bearer token that a server may ask for: 16 to 4,096 printable ASCII characters without spaces, sent as
 * metadata "authorization: Bearer TOKEN". No message ever shows any of it.
 */
#define WIRE_MIN_TOKEN 16
#define WIRE_MAX_TOKEN 4096

#define WIRE_AUTHORIZATION "authorization"
#define WIRE_BEARER "Bearer "

struct wire_token {
    char text[WIRE_MAX_TOKEN + 1]; /* zeros to its end */
};

/* INVALID_ARGUMENT names the source and what is wrong. */
WIRE_MUST_USE enum wire_status wire_token_set(struct wire_token *token, const char *source, const char *text,
                                              struct wire_error *error);

/* The same from the first line of a file, without the blanks around it. */
WIRE_MUST_USE enum wire_status wire_token_read(struct wire_token *token, const char *option, const char *path,
                                               struct wire_error *error);

/* The same from the first `most` lines of a file: of the first one, and of those further ones that are not
 * blank. What follows must be. */
WIRE_MUST_USE enum wire_status wire_tokens_read(struct wire_token *tokens, size_t most, size_t *count,
                                                const char *option, const char *path,
                                                struct wire_error *error);

/* In a time that depends on the length of the given text alone, never on the token. */
bool wire_token_equals(const struct wire_token *token, const char *given);

#endif
