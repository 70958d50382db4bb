#include "wire/token_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The token, and another while it changes. */
#define MOST 2

struct tokens {
    struct wire_token token[MOST];
    size_t count;
};

struct token_file {
    char *path;
    pthread_rwlock_t lock; /* guards the tokens */
    struct tokens tokens;
};

static enum wire_status read_tokens(const struct token_file *file, struct tokens *tokens,
                                    struct wire_error *error)
{
    return wire_tokens_read(tokens->token, MOST, &tokens->count, "token_file", file->path, error);
}

enum wire_status token_file_create(const char *path, struct token_file **out, struct wire_error *error)
{
    struct token_file *file = calloc(1, sizeof *file);

    *out = NULL;
    if (file == NULL || (file->path = strdup(path)) == NULL) {
        free(file);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the token");
    }
    pthread_rwlock_init(&file->lock, NULL);
    if (read_tokens(file, &file->tokens, error) != WIRE_OK) {
        token_file_free(file);
        return error->status;
    }
    *out = file;
    return WIRE_OK;
}

void token_file_free(struct token_file *file)
{
    if (file == NULL)
        return;
    pthread_rwlock_destroy(&file->lock);
    free(file->path);
    explicit_bzero(file, sizeof *file);
    free(file);
}

enum wire_status token_file_reload(struct token_file *file, size_t *count, struct wire_error *error)
{
    struct tokens fresh;
    enum wire_status status;

    *count = 0;
    if (file == NULL)
        return WIRE_OK;
    status = read_tokens(file, &fresh, error);
    if (status == WIRE_OK) {
        pthread_rwlock_wrlock(&file->lock);
        file->tokens = fresh;
        pthread_rwlock_unlock(&file->lock);
        *count = fresh.count;
    }
    explicit_bzero(&fresh, sizeof fresh); /* the first line may have been read */
    return status;
}

enum token_shown token_file_check(struct token_file *file, const char *authorization)
{
    bool equal = false;

    if (authorization == NULL || strncasecmp(authorization, WIRE_BEARER, strlen(WIRE_BEARER)) != 0)
        return TOKEN_MISSING;
    pthread_rwlock_rdlock(&file->lock);
    for (size_t i = 0; i < file->tokens.count; i++) /* all of them, whichever it is */
        equal |= wire_token_equals(&file->tokens.token[i], authorization + strlen(WIRE_BEARER));
    pthread_rwlock_unlock(&file->lock);
    return equal ? TOKEN_SHOWN : TOKEN_WRONG;
}
