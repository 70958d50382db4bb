#include "wire/descriptors.h"

#include <stdio.h>
#include <sys/resource.h>

/* For whatever is no client: listeners, the log, a backend, other libraries' threads. */
#define OTHERS 256

void descriptors_allow(const char *program, unsigned connections)
{
    rlim_t wanted = connections + OTHERS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        fprintf(stderr,
                "%s: warning: the system allows %llu descriptors, which is less than "
                "--max-connections %u wants\n",
                program, (unsigned long long)limit.rlim_cur, connections);
}
