#include "accept.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* How specific a range is that holds the type; 0: it does not. */
static unsigned holds(const char *range, size_t len, const char *type)
{
    size_t kind = strcspn(type, "/") + 1;

    if (len == strlen(type) && strncasecmp(range, type, len) == 0)
        return 3;
    if (len == kind + 1 && strncasecmp(range, type, kind) == 0 && range[kind] == '*')
        return 2;
    return len == 3 && strncmp(range, "*/*", 3) == 0;
}

/* A weight in thousandths; what is none counts as 1. */
static unsigned weight(const char *text, size_t len)
{
    unsigned value = 0, digit = 1000;

    if (len == 0 || len > 5 || (text[0] != '0' && text[0] != '1') || (len > 1 && text[1] != '.'))
        return 1000;
    for (size_t i = 0; i < len; i++) {
        if (i == 1)
            continue;
        if (text[i] < '0' || text[i] > '9')
            return 1000;
        value += digit * (unsigned)(text[i] - '0');
        digit /= 10;
    }
    return value <= 1000 ? value : 1000;
}

/* The length of what ends with one of these, but not within quotes. */
static size_t until(const char *text, const char *ends)
{
    size_t len = 0;

    while (text[len] != '\0' && strchr(ends, text[len]) == NULL) {
        if (text[len++] != '"')
            continue;
        while (text[len] != '\0' && text[len] != '"')
            len += text[len] == '\\' && text[len + 1] != '\0' ? 2 : 1;
        len += text[len] == '"';
    }
    return len;
}

static size_t without_blanks(const char *text, size_t len)
{
    while (len != 0 && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    return len;
}

/* Of a range, whose parameters begin at text. */
static unsigned quality_of(const char *text)
{
    unsigned quality = 1000;

    while (*text == ';') {
        size_t len;

        text += 1 + strspn(text + 1, BLANKS);
        len = until(text, ";,");
        if (strncasecmp(text, "q=", 2) == 0)
            quality = weight(text + 2, without_blanks(text + 2, len - 2));
        text += len;
    }
    return quality;
}

void accept_look(struct accepted *accepted, const char *value, const char *type)
{
    while (*value != '\0') {
        size_t range;
        unsigned specific;

        value += strspn(value, BLANKS ",");
        range = until(value, ";,");
        specific = holds(value, without_blanks(value, range), type);
        if (specific > accepted->specific) {
            accepted->specific = specific;
            accepted->quality = quality_of(value + range);
        }
        value += until(value, ",");
    }
}

bool accept_prefers(struct accepted a, struct accepted b)
{
    if (a.quality != b.quality)
        return a.quality > b.quality;
    return a.quality != 0 && a.specific > b.specific;
}
