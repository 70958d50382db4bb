/* The page's files, which client/web/embed.cmake makes a table of. */
#include <string.h>

#include "web.h"

#include "web.inc"

const struct web_file *web_find(const char *name)
{
    for (size_t i = 0; i < sizeof web_files / sizeof *web_files; i++)
        if (strcmp(web_files[i].name, name) == 0)
            return &web_files[i];
    return NULL;
}
