#include "pretty.h"

static char *break_line(const struct pretty *pretty, char *out)
{
    *out++ = '\n';
    for (unsigned i = 0; i < 2 * pretty->depth; i++)
        *out++ = ' ';
    return out;
}

static char *put_in_string(struct pretty *pretty, char *out, char c)
{
    if (pretty->escaped)
        pretty->escaped = false;
    else if (c == '\\')
        pretty->escaped = true;
    else if (c == '"')
        pretty->in_string = false;
    *out++ = c;
    return out;
}

static char *put(struct pretty *pretty, char *out, char c)
{
    bool opened = pretty->opened;

    pretty->opened = false;
    if (c == '}' || c == ']') {
        pretty->depth--;
        if (!opened)
            out = break_line(pretty, out);
        *out++ = c;
        return out;
    }
    if (opened)
        out = break_line(pretty, out);
    *out++ = c;
    if (c == '{' || c == '[') {
        pretty->depth++;
        pretty->opened = true;
    } else if (c == ',') {
        out = break_line(pretty, out);
    } else if (c == ':') {
        *out++ = ' ';
    } else if (c == '"') {
        pretty->in_string = true;
    }
    return out;
}

size_t pretty_next(struct pretty *pretty, const char *text, size_t len, size_t *used, char *out, size_t size)
{
    char *const begin = out;

    for (; *used < len && (size_t)(out - begin) + 2 * PRETTY_MAX_DEPTH + 3 <= size; ++*used)
        out = pretty->in_string ? put_in_string(pretty, out, text[*used]) : put(pretty, out, text[*used]);
    return (size_t)(out - begin);
}
