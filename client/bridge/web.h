#ifndef TILERY_BRIDGE_WEB_H
#define TILERY_BRIDGE_WEB_H

#include <stddef.h>

/* A file of client/web, as it was when the program was built. All hold for ever. */
struct web_file {
    const char *name;
    const char *type; /* its media type */
    const char *etag; /* in its quotes; of the bytes, so a strong one */
    const unsigned char *bytes;
    size_t len;
};

/* NULL: there is none of that name. */
const struct web_file *web_find(const char *name);

#endif
