#include "child.h"

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LISTENING "listening on "
#define SLEEPS "voluntary_ctxt_switches:"

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void exec_child(const char *const *argv, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out, STDOUT_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    perror(argv[0]);
    _exit(127);
}

static void read_url(struct child *child, const char *program, FILE *out)
{
    char line[160];

    if (fgets(line, sizeof line, out) == NULL || strncmp(line, LISTENING, strlen(LISTENING)) != 0) {
        fprintf(stderr, "%s does not serve\n", program);
        exit(1);
    }
    line[strcspn(line, "\n")] = '\0';
    (void)snprintf(child->url, sizeof child->url, "%s", line + strlen(LISTENING));
}

void child_start(struct child *child, const char *const *argv)
{
    int ends[2];
    FILE *out;

    if (pipe(ends) != 0)
        fail("pipe");
    fflush(NULL);
    child->pid = fork();
    if (child->pid < 0)
        fail("fork");
    if (child->pid == 0)
        exec_child(argv, ends[1]);
    close(ends[1]);
    out = fdopen(ends[0], "r");
    if (out == NULL)
        fail("fdopen");
    read_url(child, argv[0], out);
    fclose(out);
}

void child_stop(const struct child *child)
{
    kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
}

_Noreturn void child_serve(const char *url)
{
    printf(LISTENING "%s\n", url);
    fflush(stdout);
    for (;;)
        pause();
}

/* Of one thread; 0 when it is gone. */
static unsigned long sleeps_of(pid_t pid, const char *thread)
{
    unsigned long sleeps = 0;
    char path[300], line[128];
    FILE *status;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, thread);
    status = fopen(path, "r");
    if (status == NULL)
        return 0;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, SLEEPS, strlen(SLEEPS)) == 0)
            sleeps = strtoul(line + strlen(SLEEPS), NULL, 10);
    fclose(status);
    return sleeps;
}

/* Of the threads that there are: those of a server stay. */
static unsigned long sleeps_of_child(pid_t pid, unsigned *threads)
{
    const struct dirent *entry;
    unsigned long sleeps = 0;
    char path[64];
    DIR *tasks;

    *threads = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (tasks == NULL)
        fail(path);
    while ((entry = readdir(tasks)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        sleeps += sleeps_of(pid, entry->d_name);
        ++*threads;
    }
    closedir(tasks);
    return sleeps;
}

unsigned child_threads(pid_t pid)
{
    unsigned threads;

    (void)sleeps_of_child(pid, &threads);
    return threads;
}

static double cpu_us_of(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        fail("the time a process has used");
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

struct usage usage_of(pid_t pid)
{
    struct rusage own;
    unsigned threads;

    if (pid != getpid())
        return (struct usage){.sleeps = (double)sleeps_of_child(pid, &threads), .cpu_us = cpu_us_of(pid)};
    (void)getrusage(RUSAGE_SELF, &own);
    return (struct usage){.sleeps = (double)own.ru_nvcsw, .cpu_us = cpu_us_of(pid)};
}
