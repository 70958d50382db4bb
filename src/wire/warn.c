#include "wire/warn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/address.h"
#include "wire/file.h"
#include "wire/option.h"

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

void warn_of_stdout(const char *program)
{
    if (fflush(stdout) != 0)
        fprintf(stderr, "%s: warning: cannot write where it listens: %s\n", program, strerror(errno));
}

void warn_of_reload(const char *program, const struct argp_option *options, const char *path,
                    enum wire_status status, const struct wire_error *error)
{
    char room[512];

    if (path == NULL) {
        fprintf(stderr, "%s: SIGHUP: there is no token to read again\n", program);
    } else if (status != WIRE_OK) {
        fprintf(stderr, "%s: SIGHUP: the old token stays in force: %s\n", program,
                option_message(options, "", error->message, room, sizeof room));
    } else {
        fprintf(stderr, "%s: SIGHUP: the token has been read again\n", program);
        warn_of_file(program, path);
    }
}
