#ifndef TILERY_BRIDGE_ACCEPT_H
#define TILERY_BRIDGE_ACCEPT_H

#include <stdbool.h>

/*
 * What a client would rather have, by its Accept headers:
 * https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
 */
struct accepted {
    unsigned specific; /* 0: no range holds the type; 1: any type does, 2: its kind's, 3: it is named */
    unsigned quality;  /* of the most specific one, in thousandths; 0: not wanted */
};

/* Looks at one header's value, all zero before the first. type is a media type in lower case, without
 * parameters. What is malformed holds nothing. */
void accept_look(struct accepted *accepted, const char *value, const char *type);

/* Whether a is wanted more than b: by its quality, or where that is the same, as it is named and b is not. */
bool accept_prefers(struct accepted a, struct accepted b);

#endif
