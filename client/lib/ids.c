/* Random ids. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "tilery/client.h"

#define ID_BYTES 16u

/* Drawn for this thread's next ids, with one system call for all: as many as the kernel gives whole, whatever
 * happens. */
static _Thread_local struct {
    unsigned char bytes[256];
    size_t left;
} pool;

/* In the child, which would else draw the same as its parent. */
static void forget(void)
{
    pool.left = 0;
}

__attribute__((constructor)) static void forget_on_fork(void)
{
    if (pthread_atfork(NULL, NULL, forget) != 0)
        abort(); /* no memory, before anything has begun */
}

static const unsigned char *draw(void)
{
    if (pool.left == 0) {
        if (getrandom(pool.bytes, sizeof pool.bytes, 0) != (ssize_t)sizeof pool.bytes)
            abort(); /* cannot happen once the kernel has started */
        pool.left = sizeof pool.bytes;
    }
    pool.left -= ID_BYTES;
    return &pool.bytes[pool.left];
}

void tilery_random_id(char id[33])
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = draw();

    for (size_t i = 0; i < ID_BYTES; i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[2 * ID_BYTES] = '\0';
}
