#include "wire/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_TASKS 16L
#define MOST_EXPIRE 256L
#define MOST_POLLERS 8L
/* Of names, of what is closed, of times. */
#define OTHERS 6L
#define MOST_LOOKS 1000
#define MOST (MOST_TASKS + MOST_EXPIRE + MOST_POLLERS + OTHERS)

static long least(long a, long b)
{
    return a < b ? a : b;
}

/* At most: by the CPUs, as nng itself counts where no program tells it of fewer (daemon/processors.c); 1.5
 * has one poller, later ones have no more of the others. */
static long nng_threads(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (cpus < 1)
        cpus = 1;
    return least(2 * cpus, MOST_TASKS) + least(cpus, MOST_EXPIRE) + least(cpus, MOST_POLLERS) + OTHERS;
}

static void *wait_for_others(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

static unsigned long threads_now(void)
{
    struct stat tasks;

    return stat("/proc/self/task", &tasks) == 0 ? tasks.st_nlink : 0;
}

/* The kernel counts a thread for a moment after it has been joined. */
static void wait_for_room(unsigned long before)
{
    const struct timespec moment = {.tv_nsec = 100000};

    for (int looks = 0; looks < MOST_LOOKS && threads_now() > before; looks++)
        nanosleep(&moment, NULL);
}

/* All at once, or none stays. */
static bool can_make(long count)
{
    unsigned long before = threads_now();
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[MOST];
    long made = 0;

    pthread_mutex_lock(&mutex);
    while (made < count && pthread_create(&threads[made], NULL, wait_for_others, &mutex) == 0)
        made++;
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    wait_for_room(before);
    return made == count;
}

bool wire_nng_can_start(void)
{
    static atomic_bool can;

    if (!atomic_load(&can))
        atomic_store(&can, can_make(nng_threads()));
    return atomic_load(&can);
}
