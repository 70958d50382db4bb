#include "wire/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum wire_status refuse(struct wire_error *error, const char *option, const char *path,
                               const char *why)
{
    char shown[160];

    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s \"%s\": %s", option,
                          wire_quote(shown, sizeof shown, path), why);
}

/* Reads until the end or until the buffer is full; -1 and errno on failure. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t len = 0;
    ssize_t got;

    while (len < size) {
        got = read(fd, buffer + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* Takes one byte more than the limit, if it is there, to tell that it is. */
static enum wire_status read_text(int fd, const char *option, const char *path, size_t limit, char *text,
                                  struct wire_error *error)
{
    ssize_t len = read_all(fd, text, limit + 1);

    if (len < 0)
        return refuse(error, option, path, strerror(errno));
    if (len == 0)
        return refuse(error, option, path, "the file is empty");
    if ((size_t)len > limit)
        return refuse(error, option, path, "the file is too large");
    text[len] = '\0';
    if (strlen(text) != (size_t)len)
        return refuse(error, option, path, "it is no text file");
    return WIRE_OK;
}

enum wire_status wire_file_read(const char *option, const char *path, size_t limit, char **out,
                                struct wire_error *error)
{
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO without a writer is empty, not for ever */
    char *text;

    *out = NULL;
    if (fd < 0)
        return refuse(error, option, path, strerror(errno));
    text = calloc(1, limit + 2);
    if (text == NULL) {
        close(fd);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory to read a file");
    }
    if (read_text(fd, option, path, limit, text, error) == WIRE_OK)
        *out = text;
    else
        wire_file_free(text);
    close(fd);
    return *out != NULL ? WIRE_OK : error->status;
}

void wire_file_free(char *text)
{
    if (text == NULL)
        return;
    explicit_bzero(text, strlen(text));
    free(text);
}

bool wire_file_is_exposed(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return false;
    return (info.st_mode & (info.st_uid == geteuid() ? S_IRGRP | S_IROTH : S_IROTH)) != 0;
}
