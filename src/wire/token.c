#include "wire/token.h"

#include <stdio.h>
#include <string.h>

#include "wire/file.h"

#define BLANKS " \t\r\n\v\f"
#define MAX_FILE 65536

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
    for (*count = 0; *count < most && text != NULL; ++*count) {
        const char *line = next_line(&text);
        char place[192];

        if (*count != 0 && line[0] == '\0')
            break;
        (void)snprintf(place, sizeof place, *count == 0 ? "%s" : "%s, line %zu", source, *count + 1);
        if (wire_token_set(&tokens[*count], place, line, error) != WIRE_OK)
            return error->status;
    }
    return WIRE_OK;
}

enum wire_status wire_token_read(struct wire_token *tokens, size_t most, size_t *count, const char *option,
                                 const char *path, struct wire_error *error)
{
    enum wire_status status;
    char source[160], shown[128];
    char *text;

    if (wire_file_read(option, path, MAX_FILE, &text, error) != WIRE_OK)
        return error->status;
    (void)snprintf(source, sizeof source, "%s \"%s\"", option, wire_quote(shown, sizeof shown, path));
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
