#include "daemon/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/line.h"
#include "wire/clock.h"
#include "wire/condition.h"

#define BUFFER_BYTES (1u << 20)
/* Lines that follow so soon are written together: to wake the thread for each costs more than the line. */
#define GATHER_MS 10
#define LAST_WORDS_MS 1000
#define LOOK_MS 50
#define MAX_ADDRESS 256
#define MAX_PROGRAM 32
#define MAX_WORDS 640 /* all of them escaped fit a line */

_Static_assert(LINE_BYTES <= PIPE_BUF, "a line is written in one piece");

struct log {
    int fd;
    bool json;
    atomic_uint_least64_t give_up_ns; /* of CLOCK_MONOTONIC: when a reader that stands still is left behind */
    pthread_t thread;
    /* The thread's: lines that were dropped, or could not be written, and whose count could not be yet; and
     * whether the last one that was written lost its end. */
    uint64_t unsaid;
    bool torn;
    pthread_mutex_t mutex; /* guards all below, but writing, which is the thread's */
    pthread_cond_t changed;
    char *filling, *writing; /* of BUFFER_BYTES each, exchanged */
    size_t filled;
    uint64_t dropped; /* lines, since the last time that this was said */
    bool gathering, ending;
};

/* Waits until a pipe has room for a piece; false when there is nobody to wait for any more. */
static bool wait_writable(struct log *log)
{
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};

    while (poll(&ready, 1, LOOK_MS) <= 0)
        if (wire_now_ns() >= atomic_load(&log->give_up_ns))
            return false;
    return true;
}

/* What is written at once: whole lines. */
static size_t piece_of(const char *text, size_t len)
{
    const char *end;

    if (len <= PIPE_BUF)
        return len;
    end = memrchr(text, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end - text) + 1 : PIPE_BUF;
}

static uint64_t count_lines(const char *text, size_t len)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines;
}

/* A reader that is gone, or a full disk, is no reason to stop serving. Gives how many lines were not written
 * to their ends. */
static uint64_t write_lines(struct log *log, const char *text, size_t len)
{
    uint64_t lost = 0;
    bool begun = false; /* a line, whose rest follows */

    while (len != 0 && wait_writable(log)) {
        size_t piece = piece_of(text, len);
        ssize_t written;

        if (log->torn)
            log->torn = write(log->fd, "\n", 1) != 1;
        written = write(log->fd, text, piece);
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written > 0) {
            piece = (size_t)written;
            begun = text[piece - 1] != '\n';
        } else {
            lost += count_lines(text, piece);
            log->torn |= begun;
            begun = false;
        }
        text += piece;
        len -= piece;
    }
    return lost;
}

static void say_dropped(struct log *log)
{
    struct timespec now;
    struct line line;
    char message[64];

    clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(message, sizeof message, "%llu lines dropped", (unsigned long long)log->unsaid);
    line_begin(&line, log->json, &now, "warn");
    line_add_text(&line, "message", message, sizeof message);
    line_end(&line);
    if (write_lines(log, line.text, line.len) == 0)
        log->unsaid = 0;
}

/* The mutex is held, and let go while it writes. */
static void write_out(struct log *log)
{
    char *text = log->filling;
    size_t len = log->filled;

    log->filling = log->writing;
    log->writing = text;
    log->filled = 0;
    log->unsaid += log->dropped;
    log->dropped = 0;
    pthread_mutex_unlock(&log->mutex);
    log->unsaid += write_lines(log, text, len);
    if (log->unsaid != 0)
        say_dropped(log);
    pthread_mutex_lock(&log->mutex);
}

/* The mutex is held, and let go while it waits. */
static void gather(struct log *log)
{
    uint64_t until_ns = wire_after_ms(GATHER_MS);

    log->gathering = true;
    while (!log->ending && log->filled < BUFFER_BYTES / 2 &&
           condition_wait(&log->changed, &log->mutex, until_ns))
        continue;
    log->gathering = false;
}

/* Signals are for others: one for a pipe that nobody reads would end the process. */
static void *log_main(void *arg)
{
    struct log *log = arg;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&log->mutex);
    while (!log->ending || log->filled != 0) {
        if (log->filled == 0) {
            pthread_cond_wait(&log->changed, &log->mutex);
        } else {
            write_out(log);
            gather(log);
        }
    }
    pthread_mutex_unlock(&log->mutex);
    return NULL;
}

static void free_log(struct log *log)
{
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->mutex);
    free(log->filling);
    free(log->writing);
    free(log);
}

enum wire_status log_create(int fd, bool json, struct log **out, struct wire_error *error)
{
    struct log *log = calloc(1, sizeof *log);

    *out = NULL;
    if (log == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the log");
    log->fd = fd;
    log->json = json;
    atomic_init(&log->give_up_ns, UINT64_MAX);
    pthread_mutex_init(&log->mutex, NULL);
    condition_init(&log->changed);
    log->filling = malloc(BUFFER_BYTES);
    log->writing = malloc(BUFFER_BYTES);
    if (log->filling == NULL || log->writing == NULL ||
        pthread_create(&log->thread, NULL, log_main, log) != 0) {
        free_log(log);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory or thread for the log");
    }
    *out = log;
    return WIRE_OK;
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    atomic_store(&log->give_up_ns, wire_after_ms(LAST_WORDS_MS));
    pthread_mutex_lock(&log->mutex);
    log->ending = true;
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->mutex);
    pthread_join(log->thread, NULL);
    free_log(log);
}

void log_call(struct log *log, const struct rpc_ended *ended)
{
    struct timespec now;
    struct line line;

    clock_gettime(CLOCK_REALTIME, &now);
    line_of_call(&line, log->json, &now, ended);
    log_line(log, &line);
}

void log_stream(struct log *log, const struct service_stream_run *run)
{
    struct timespec now;
    struct line line;

    clock_gettime(CLOCK_REALTIME, &now);
    line_of_stream(&line, log->json, &now, run);
    log_line(log, &line);
}

void log_say_json(const char *program, const char *level, const char *text)
{
    struct timespec now;
    struct line line;

    clock_gettime(CLOCK_REALTIME, &now);
    line_begin(&line, true, &now, level);
    line_add_text(&line, "program", program, MAX_PROGRAM);
    line_add_text(&line, "message", text, MAX_WORDS);
    line_end(&line);
    (void)!write(STDERR_FILENO, line.text, line.len);
}

void log_connections(struct log *log, const char *address, uint64_t count, const char *message)
{
    struct timespec now;
    struct line line;

    clock_gettime(CLOCK_REALTIME, &now);
    line_begin(&line, log->json, &now, "warn");
    line_add_text(&line, "listen", address, MAX_ADDRESS);
    line_add_count(&line, "connections", count);
    line_add_text(&line, "message", message, MAX_ADDRESS);
    line_end(&line);
    log_line(log, &line);
}

void log_line(struct log *log, const struct line *line)
{
    pthread_mutex_lock(&log->mutex);
    if (line->len <= BUFFER_BYTES - log->filled) {
        memcpy(&log->filling[log->filled], line->text, line->len);
        if (log->gathering ? log->filled + line->len >= BUFFER_BYTES / 2 : log->filled == 0)
            pthread_cond_signal(&log->changed);
        log->filled += line->len;
    } else {
        log->dropped++;
    }
    pthread_mutex_unlock(&log->mutex);
}
