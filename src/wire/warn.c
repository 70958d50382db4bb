#include "wire/warn.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/address.h"
#include "wire/certificate.h"
#include "wire/file.h"
#include "wire/option.h"

#define PATIENCE_MS 1000
#define WARN_BYTES 1024

/* NULL: the plain one. Set before there are threads. */
static warn_line_fn *line_fn;

void warn_with(warn_line_fn *line)
{
    line_fn = line;
}

/* Whether the text begins with the word, which is then left out. */
static bool has_prefix(const char **text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

static void put_line(const char *program, const char *text)
{
    const char *level = "info";

    if (line_fn == NULL) {
        (void)has_prefix(&text, "error: ");
        fprintf(stderr, "%s: %s\n", program, text);
        return;
    }
    if (has_prefix(&text, "warning: "))
        level = "warn";
    else if (has_prefix(&text, "error: "))
        level = "error";
    line_fn(program, level, text);
}

/* A pipe that has any room at all has enough. */
void warn_say(const char *program, const char *format, ...)
{
    struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
    char text[WARN_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (poll(&reader, 1, PATIENCE_MS) != 0)
        put_line(program, text);
}

void warn_of_file(const char *program, const char *path)
{
    if (path != NULL && wire_file_is_exposed(path))
        warn_say(program, "warning: %s can be read by others than its owner: chmod 600", path);
}

void warn_of_certificate(const char *program, const char *path)
{
    struct wire_error error;
    const char *lapse;
    char *cert;

    if (path == NULL || wire_file_read("", path, WIRE_MAX_PEM, &cert, &error) != WIRE_OK)
        return;
    lapse = wire_certificate_lapse(cert);
    if (lapse != NULL)
        warn_say(program, "warning: the certificate %s %s", path, lapse);
    wire_file_free(cert);
}

void warn_of_token(const char *program, const char *servers)
{
    char *urls = strdup(servers), *rest = urls, *url;

    while (urls != NULL && (url = strsep(&rest, ",")) != NULL)
        if (!wire_address_is_local(url) && !wire_address_is_tls(url))
            warn_say(program, "warning: %s " WARN_IN_CLEAR "", url);
    free(urls);
}

void warn_of_stdout(const char *program)
{
    if (fflush(stdout) != 0)
        warn_say(program, "warning: cannot write where it listens: %s", strerror(errno));
}

void warn_of_reload(const char *program, const struct argp_option *options, const char *prefix,
                    const char *path, size_t tokens, const char *failure)
{
    static const char *const hold[] = {"", ": one token holds from now on", ": two tokens hold from now on"};
    char room[512];

    if (path == NULL) {
        warn_say(program, "SIGHUP: there is no token to read again");
    } else if (failure != NULL) {
        warn_say(program, "SIGHUP: the old token stays in force: %s",
                 option_message(options, prefix, failure, room, sizeof room));
    } else {
        warn_say(program, "SIGHUP: --%stoken-file has been read again%s", prefix, hold[tokens]);
        warn_of_file(program, path);
    }
}
