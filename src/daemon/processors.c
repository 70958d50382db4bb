/*
 * A remedy for nng, which those programs of ours that call servers put before libc's sysconf: nng, which
 * starts two task threads for each processor that it is told of, and of others one, is told of half of those
 * that the process may use.
 *
 * A task thread that begins the next piece of a message wakes another for it, which at once wants the lock
 * that the first still holds. Where there are more of them than processors, they are mostly busy with each
 * other. nng before 1.8 has no setting for it. tileryd is left as it is: against 64 clients at once, with
 * many threads of their own, as few would get too little of the processors.
 */
#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "daemon/remedy.h"

static long half_of_processors(void)
{
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    return count > 1 ? count / 2 : 1;
}

/* Not instrumented, as sanitizers call it while they start. */
__attribute__((visibility("default"), no_sanitize("address", "thread"))) long sysconf(int name)
{
    void *found;
    long (*real)(int);

    if (name == _SC_NPROCESSORS_ONLN && remedy_is_nng(__builtin_return_address(0)))
        return half_of_processors();
    found = dlsym(RTLD_NEXT, "sysconf");
    memcpy(&real, &found, sizeof real);
    return real(name);
}
