#include "wire/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#include "wire/warn.h"

void descriptors_hold_standard(void)
{
    for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++)
        if (fcntl(standard, F_GETFD) < 0)
            (void)!open("/dev/null", O_PATH); /* takes the lowest number that is free */
}

unsigned descriptors_allow(const char *program, unsigned connections)
{
    rlim_t wanted = connections + DESCRIPTORS_BESIDE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return UINT_MAX;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < wanted)
        warn_say(program,
                 "warning: the system allows %llu descriptors, which is less than --max-connections %u wants",
                 (unsigned long long)limit.rlim_cur, connections);
    return limit.rlim_cur < UINT_MAX ? (unsigned)limit.rlim_cur : UINT_MAX;
}
