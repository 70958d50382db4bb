#ifndef TILERY_DAEMON_QUOTA_H
#define TILERY_DAEMON_QUOTA_H

#include <stdint.h>

/*
 * What this process may use of the machine by its control group and those around it, the narrowest of each:
 * of a container, what it was given. https://docs.kernel.org/admin-guide/cgroup-v2.html and, of the older
 * hierarchies, cgroup-v1/.
 */
struct quota {
    uint32_t cpus;         /* whole ones, rounded up, at least 1; 0: no quota */
    uint64_t memory_bytes; /* 0: no limit */
};

/* What cannot be read limits nothing. root is "/", or in tests a tree that is laid out the same. Any thread.
 */
struct quota quota_read(const char *root);

/* How many threads are to be at work side by side under that quota where usable CPUs may be used, at least 1:
 * eight for each that it really has of them, up to 1024; 0 without a quota. */
uint32_t quota_threads(const struct quota *quota, uint32_t usable);

#endif
