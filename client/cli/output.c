/*
 * Where an answer goes: stdout, or a file that appears only when it is whole. It is written without a name,
 * or under one beside it where the filesystem wants one, so that what was there before stays until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

int cli_output_failed(const struct cli_options *options)
{
    const char *name = options->output;

    if (*options->ended != 0)
        return 128 + *options->ended;
    if (errno == EPIPE)
        return 128 + SIGPIPE;
    fprintf(stderr, "tilery: cannot write %s: %s\n", strcmp(name, "-") == 0 ? "the answer" : name,
            strerror(errno));
    return tilery_status_exit(TILERY_DATA_LOSS);
}

static bool is_plain_or_new(const char *path)
{
    struct stat about;

    return lstat(path, &about) != 0 ? errno == ENOENT : S_ISREG(about.st_mode);
}

/* In the same directory; -1 where the filesystem has no files without a name. */
static int open_nameless(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash != NULL ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int file = directory != NULL ? open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;

    free(directory);
    return file;
}

static int open_beside(const struct cli_output *output)
{
    return open(output->beside, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
}

/* A link is followed, so that what it names is what appears. */
static int open_whole(struct cli_output *output, const char *name)
{
    int file;

    output->path = realpath(name, NULL);
    if (output->path == NULL)
        output->path = strdup(name);
    if (output->path == NULL || !is_plain_or_new(output->path))
        return open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (asprintf(&output->beside, "%s.%ld", output->path, (long)getpid()) < 0)
        output->beside = NULL;
    if (output->beside == NULL)
        return -1;
    file = open_nameless(output->path);
    output->nameless = file >= 0;
    return file >= 0 ? file : open_beside(output);
}

static void free_names(struct cli_output *output)
{
    free(output->path);
    free(output->beside);
}

int cli_output_open(struct cli_output *output, const struct cli_options *options)
{
    int file;

    *output = (struct cli_output){.file = stdout, .options = options};
    if (strcmp(options->output, "-") == 0)
        return 0;
    file = open_whole(output, options->output);
    output->file = file >= 0 ? fdopen(file, "wb") : NULL;
    if (output->file != NULL)
        return 0;
    free_names(output);
    return cli_output_failed(options);
}

/* Gives it its name; over an older file by way of a name beside it. */
static bool give_name(const struct cli_output *output)
{
    char from[32];

    if (output->nameless) {
        (void)snprintf(from, sizeof from, "/proc/self/fd/%d", fileno(output->file));
        if (linkat(AT_FDCWD, from, AT_FDCWD, output->path, AT_SYMLINK_FOLLOW) == 0)
            return true;
        if (errno != EEXIST || linkat(AT_FDCWD, from, AT_FDCWD, output->beside, AT_SYMLINK_FOLLOW) != 0)
            return false;
    }
    return rename(output->beside, output->path) == 0;
}

/* What a pipe did not take before a signal came is not offered once more, as that may wait for its reader. */
static bool flush(const struct cli_output *output, int status)
{
    bool failed = ferror(output->file) != 0;

    if (*output->options->ended != 0 && (failed || status != 0))
        __fpurge(output->file);
    return fflush(output->file) == 0 && !failed;
}

int cli_output_close(struct cli_output *output, int status)
{
    bool written = flush(output, status);

    if (written && status == 0 && output->beside != NULL)
        written = give_name(output);
    if (!written && status == 0)
        status = cli_output_failed(output->options);
    if (output->file != stdout && fclose(output->file) != 0 && status == 0)
        status = cli_output_failed(output->options);
    if (status != 0 && output->beside != NULL)
        (void)unlink(output->beside);
    free_names(output);
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
