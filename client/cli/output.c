/*
 * Where an answer goes: stdout, or a file that appears only when it is whole. It is written without a name,
 * so that a program that is interrupted leaves nothing behind and what was there before stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define PATH_BYTES 4096

int cli_output_failed(const char *name)
{
    fprintf(stderr, "tilery: cannot write %s: %s\n", strcmp(name, "-") == 0 ? "the answer" : name,
            strerror(errno));
    return tilery_status_exit(TILERY_DATA_LOSS);
}

static bool is_plain_or_new(const char *name)
{
    struct stat about;

    return lstat(name, &about) != 0 ? errno == ENOENT : S_ISREG(about.st_mode);
}

/* In the same directory; NULL where the filesystem has no files without a name. */
static FILE *open_nameless(const char *name)
{
    const char *slash = strrchr(name, '/');
    char *directory = slash != NULL ? strndup(name, (size_t)(slash - name) + 1) : strdup(".");
    int file = directory != NULL ? open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;

    free(directory);
    return file >= 0 ? fdopen(file, "wb") : NULL;
}

int cli_output_open(struct cli_output *output, const char *name)
{
    *output = (struct cli_output){.file = stdout, .name = name};
    if (strcmp(name, "-") == 0)
        return 0;
    output->nameless = is_plain_or_new(name) && (output->file = open_nameless(name)) != NULL;
    if (!output->nameless)
        output->file = fopen(name, "wb");
    return output->file != NULL ? 0 : cli_output_failed(name);
}

/* Gives it its name; over an older file by way of a name beside it. */
static bool give_name(const struct cli_output *output)
{
    char from[32], beside[PATH_BYTES];

    (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fileno(output->file));
    if (linkat(AT_FDCWD, from, AT_FDCWD, output->name, AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno != EEXIST ||
        snprintf(beside, sizeof beside, "%s.%ld", output->name, (long)getpid()) >= (int)sizeof beside)
        return false;
    return linkat(AT_FDCWD, from, AT_FDCWD, beside, AT_SYMLINK_FOLLOW) == 0 &&
           (rename(beside, output->name) == 0 || (unlink(beside), false));
}

int cli_output_close(struct cli_output *output, int status)
{
    bool written = fflush(output->file) == 0 && !ferror(output->file);

    if (written && status == 0 && output->nameless)
        written = give_name(output);
    if (!written && status == 0)
        status = cli_output_failed(output->name);
    if (output->file != stdout && fclose(output->file) != 0 && status == 0)
        status = cli_output_failed(output->name);
    return status;
}

bool cli_is_for_terminal(const struct cli_options *options)
{
    return strcmp(options->output, "-") == 0 && isatty(STDOUT_FILENO);
}

bool cli_refuse_terminal(const struct cli_options *options, const char *what)
{
    bool refused = cli_is_for_terminal(options);

    if (refused)
        fprintf(stderr, "tilery: %s is not for a terminal; name a file with --output FILE\n", what);
    return refused;
}
