#ifndef TILERY_FORMAT_PRETTY_H
#define TILERY_FORMAT_PRETTY_H

#include <stdbool.h>
#include <stddef.h>

/* Lays compact JSON out over lines, indented by two blanks, as it comes. All zero to begin with. */
struct pretty {
    unsigned depth;
    bool in_string, escaped, opened; /* opened: the last character opened an object or array */
};

/*
 * Reads from text[*used] on, moves *used on, and writes what fits into out, not terminated; returns its
 * length. Depth is at most PRETTY_MAX_DEPTH, and size at least PRETTY_MIN_BUFFER.
 */
#define PRETTY_MAX_DEPTH 16u
#define PRETTY_MIN_BUFFER 64u
size_t pretty_next(struct pretty *pretty, const char *text, size_t len, size_t *used, char *out, size_t size);

#endif
