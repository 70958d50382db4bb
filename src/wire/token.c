#include "wire/token.h"

#include <stdio.h>
#include <string.h>

#include "wire/file.h"

#define BLANKS " \t\r\n\v\f"
#define MAX_FILE 65536
#define MAX_SOURCE 160

enum wire_status wire_token_set(struct wire_token *token, const char *source, const char *text,
                                struct wire_error *error)
{
    size_t len = strlen(text);

    if (len < WIRE_MIN_TOKEN || len > WIRE_MAX_TOKEN)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "%s: the token has %zu characters; it must have from %d to %d", source, len,
                              WIRE_MIN_TOKEN, WIRE_MAX_TOKEN);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return wire_error_set(
                error, WIRE_INVALID_ARGUMENT,
                "%s: character %zu of the token is no printable ASCII; all must be, without spaces", source,
                i + 1);
    memset(token->text, 0, sizeof token->text);
    memcpy(token->text, text, len);
    return WIRE_OK;
}

/* The next line, without the blanks around it; *text moves on behind it. */
static char *next_line(char **text)
{
    char *line = strsep(text, "\n"), *end;

    line += strspn(line, BLANKS);
    end = line + strlen(line);
    while (end > line && strchr(BLANKS, end[-1]) != NULL)
        *--end = '\0';
    return line;
}

static enum wire_status read_lines(struct wire_token *tokens, size_t most, size_t *count, const char *source,
                                   char *text, struct wire_error *error)
{
    *count = 0;
    for (size_t number = 1; text != NULL; number++) {
        const char *line = next_line(&text);
        char place[192];

        if (number != 1 && line[0] == '\0')
            continue;
        if (number > most)
            return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                                  "%s, line %zu: it is not blank; only the first %zu lines may hold tokens",
                                  source, number, most);
        (void)snprintf(place, sizeof place, number == 1 ? "%s" : "%s, line %zu", source, number);
        if (wire_token_set(&tokens[(*count)++], place, line, error) != WIRE_OK)
            return error->status;
    }
    return WIRE_OK;
}

/* The file's text, and how to speak of it. */
static enum wire_status read_file(const char *option, const char *path, char **text, char source[MAX_SOURCE],
                                  struct wire_error *error)
{
    char shown[128];

    (void)snprintf(source, MAX_SOURCE, "%s \"%s\"", option, wire_quote(shown, sizeof shown, path));
    return wire_file_read(option, path, MAX_FILE, text, error);
}

enum wire_status wire_token_read(struct wire_token *token, const char *option, const char *path,
                                 struct wire_error *error)
{
    char source[MAX_SOURCE], *text, *rest;
    enum wire_status status;

    if (read_file(option, path, &text, source, error) != WIRE_OK)
        return error->status;
    rest = text;
    status = wire_token_set(token, source, next_line(&rest), error);
    wire_file_free(text);
    return status;
}

enum wire_status wire_tokens_read(struct wire_token *tokens, size_t most, size_t *count, const char *option,
                                  const char *path, struct wire_error *error)
{
    char source[MAX_SOURCE], *text;
    enum wire_status status;

    if (read_file(option, path, &text, source, error) != WIRE_OK)
        return error->status;
    status = read_lines(tokens, most, count, source, text, error);
    wire_file_free(text);
    return status;
}

bool wire_token_equals(const struct wire_token *token, const char *given)
{
    char padded[WIRE_MAX_TOKEN] = {0};
    size_t len = strnlen(given, sizeof padded + 1);
    bool fits = len <= sizeof padded;
    uint64_t differs = !fits, a, b;

    memcpy(padded, given, fits ? len : 0);
    for (size_t i = 0; i < sizeof padded; i += sizeof a) { /* to the end, whatever has been seen */
        memcpy(&a, &token->text[i], sizeof a);
        memcpy(&b, &padded[i], sizeof b);
        differs |= a ^ b;
    }
    return differs == 0;
}
