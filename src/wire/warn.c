#include "wire/warn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/address.h"
#include "wire/file.h"

void warn_of_file(const char *program, const char *path)
{
    if (path != NULL && wire_file_is_exposed(path))
        fprintf(stderr, "%s: warning: %s can be read by others than its owner: chmod 600\n", program, path);
}

void warn_of_token(const char *program, const char *servers)
{
    char *urls = strdup(servers), *rest = urls, *url;

    while (urls != NULL && (url = strsep(&rest, ",")) != NULL)
        if (!wire_address_is_local(url) && !wire_address_is_tls(url))
            fprintf(stderr, "%s: warning: %s " WARN_IN_CLEAR "\n", program, url);
    free(urls);
}
