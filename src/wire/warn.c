#include "wire/warn.h"

#include <stdio.h>

#include "wire/address.h"
#include "wire/file.h"

void warn_of_file(const char *program, const char *path)
{
    if (path != NULL && wire_file_is_exposed(path))
        fprintf(stderr, "%s: warning: %s can be read by others than its owner: chmod 600\n", program, path);
}

void warn_of_token(const char *program, const char *server)
{
    if (!wire_address_is_local(server) && !wire_address_is_tls(server))
        fprintf(stderr, "%s: warning: %s " WARN_IN_CLEAR "\n", program, server);
}
