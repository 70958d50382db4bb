#include "daemon/quota.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A limit of version 1 that is none: a little less than 2^63, rounded down to pages. */
#define UNLIMITED (UINT64_C(1) << 62)
#define MOST_CPUS 65536u
#define THREADS_A_CPU 8u
#define MAX_THREADS 1024u

/* Where a process sees its group's files: those of version 2, and those of one controller of version 1. */
static const char unified[] = "sys/fs/cgroup", hybrid[] = "sys/fs/cgroup/unified";
static const char *const cpu_v1[] = {"sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup/cpu"};
static const char memory_v1[] = "sys/fs/cgroup/memory";

struct at {
    const char *root, *mount, *group; /* group begins with a slash */
    size_t group_len;                 /* so much of it */
};

/* The first line of a file of the group; false where there is none. */
static bool read_line(const struct at *at, const char *name, char *line, int size)
{
    char path[PATH_MAX];
    FILE *file;
    bool read;

    if (snprintf(path, sizeof path, "%s/%s%.*s/%s", at->root, at->mount, (int)at->group_len, at->group,
                 name) >= (int)sizeof path)
        return false;
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    read = fgets(line, size, file) != NULL;
    fclose(file);
    return read;
}

static void narrow_cpus(struct quota *quota, uint64_t used_us, uint64_t period_us)
{
    uint64_t cpus;

    if (used_us == 0 || period_us == 0)
        return;
    cpus = used_us / period_us + (used_us % period_us != 0);
    if (cpus <= MOST_CPUS && (quota->cpus == 0 || cpus < quota->cpus))
        quota->cpus = (uint32_t)cpus;
}

static void narrow_memory(struct quota *quota, uint64_t bytes)
{
    if (bytes != 0 && bytes < UNLIMITED && (quota->memory_bytes == 0 || bytes < quota->memory_bytes))
        quota->memory_bytes = bytes;
}

/* "max", which is none, is no number. */
static void read_v2(const struct at *at, struct quota *quota)
{
    uint64_t used, period, bytes;
    char line[64];

    if (read_line(at, "cpu.max", line, sizeof line) &&
        sscanf(line, "%" SCNu64 " %" SCNu64, &used, &period) == 2)
        narrow_cpus(quota, used, period);
    if (read_line(at, "memory.max", line, sizeof line) && sscanf(line, "%" SCNu64, &bytes) == 1)
        narrow_memory(quota, bytes);
}

/* A quota of -1 is none. */
static void read_cpu_v1(const struct at *at, struct quota *quota)
{
    char line[64], period_line[64];
    int64_t used, period;

    if (read_line(at, "cpu.cfs_quota_us", line, sizeof line) && sscanf(line, "%" SCNd64, &used) == 1 &&
        used > 0 && read_line(at, "cpu.cfs_period_us", period_line, sizeof period_line) &&
        sscanf(period_line, "%" SCNd64, &period) == 1 && period > 0)
        narrow_cpus(quota, (uint64_t)used, (uint64_t)period);
}

static void read_memory_v1(const struct at *at, struct quota *quota)
{
    uint64_t bytes;
    char line[64];

    if (read_line(at, "memory.limit_in_bytes", line, sizeof line) && sscanf(line, "%" SCNu64, &bytes) == 1)
        narrow_memory(quota, bytes);
}

/* The group and all around it: each may be the narrowest. In a container the path may be the host's, of which
 * nothing is seen but the container's own group, as the mount itself. */
static void read_up(struct at at, void (*read)(const struct at *at, struct quota *quota), struct quota *quota)
{
    at.group_len = strlen(at.group);
    for (;;) {
        read(&at, quota);
        if (at.group_len == 0)
            return;
        while (at.group[--at.group_len] != '/')
            continue;
    }
}

/* Whether the controller is in a list such as "cpu,cpuacct". */
static bool has_controller(const char *list, const char *controller)
{
    size_t len = strlen(controller);

    for (const char *at = list; (at = strstr(at, controller)) != NULL; at += len)
        if ((at == list || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
            return true;
    return false;
}

/* A line of /proc/self/cgroup: NUMBER:CONTROLLERS:/GROUP, of version 2 without controllers. */
static void read_group(const char *root, char *line, struct quota *quota)
{
    char *controllers = strchr(line, ':'), *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (group == NULL || group[1] != '/')
        return;
    *controllers++ = *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0') {
        read_up((struct at){.root = root, .mount = unified, .group = group}, read_v2, quota);
        read_up((struct at){.root = root, .mount = hybrid, .group = group}, read_v2, quota);
    }
    for (size_t i = 0; has_controller(controllers, "cpu") && i < sizeof cpu_v1 / sizeof *cpu_v1; i++)
        read_up((struct at){.root = root, .mount = cpu_v1[i], .group = group}, read_cpu_v1, quota);
    if (has_controller(controllers, "memory"))
        read_up((struct at){.root = root, .mount = memory_v1, .group = group}, read_memory_v1, quota);
}

struct quota quota_read(const char *root)
{
    struct quota quota = {0};
    char path[PATH_MAX], line[PATH_MAX];
    FILE *file;

    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return quota;
    file = fopen(path, "re");
    if (file == NULL)
        return quota;
    while (fgets(line, sizeof line, file) != NULL)
        read_group(root, line, &quota);
    fclose(file);
    return quota;
}

uint32_t quota_threads(const struct quota *quota, uint32_t usable)
{
    uint32_t cpus = quota->cpus < usable ? quota->cpus : usable;

    return cpus < MAX_THREADS / THREADS_A_CPU ? cpus * THREADS_A_CPU : MAX_THREADS;
}
