/* Random ids. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "connection.h"

#define ID_BYTES 16u

static void fill_random(unsigned char *bytes, size_t count)
{
    if (getrandom(bytes, count, 0) != (ssize_t)count)
        abort(); /* cannot happen for up to 256 bytes once the kernel has started */
}

static void write_id(const unsigned char bytes[ID_BYTES], char id[33])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ID_BYTES; i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[2 * ID_BYTES] = '\0';
}

void tilery_random_id(char id[33])
{
    unsigned char bytes[ID_BYTES];

    fill_random(bytes, sizeof bytes);
    write_id(bytes, id);
}

void client_draw_id(tilery_client *client, char id[33])
{
    struct id_pool *pool = &client->ids;
    unsigned char bytes[ID_BYTES];

    pthread_mutex_lock(&client->mutex);
    if (pool->left == 0) {
        fill_random(pool->bytes, sizeof pool->bytes);
        pool->left = sizeof pool->bytes;
    }
    pool->left -= ID_BYTES;
    memcpy(bytes, &pool->bytes[pool->left], ID_BYTES);
    pthread_mutex_unlock(&client->mutex);
    write_id(bytes, id);
}
