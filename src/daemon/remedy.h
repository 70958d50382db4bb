#ifndef TILERY_DAEMON_REMEDY_H
#define TILERY_DAEMON_REMEDY_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Whether the code at that address is nng's, and not that of another library or of the program. */
static inline bool remedy_is_nng(const void *code)
{
    Dl_info info;

    return dladdr(code, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, "libnng") != NULL;
}

#endif
