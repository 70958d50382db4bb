#include "wire/hangup.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "wire/clock.h"
#include "wire/condition.h"
#include "wire/socket.h"

static void shut(int fd, void *arg)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* close() will reset */
    const bool *reset = arg;

    if (*reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)shutdown(fd, SHUT_RD);
}

bool wire_hang_up(nng_pipe pipe, bool reset)
{
    nng_sockaddr local;

    if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &local) == 0 && local.s_family == NNG_AF_INPROC) {
        nng_pipe_close(pipe);
        return true;
    }
    return wire_each_socket(pipe, NULL, shut, &reset);
}

bool wire_has_ended(nng_pipe pipe)
{
    nng_sockaddr remote;

    return nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) == NNG_ESYSERR + ENOTCONN;
}

/* Shared by the closing thread and whoever waits for it; the second to let go frees it. */
struct closing {
    nng_socket socket;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over, abandoned;
};

static void free_closing(struct closing *closing)
{
    pthread_cond_destroy(&closing->ended);
    pthread_mutex_destroy(&closing->mutex);
    free(closing);
}

static void *close_socket(void *arg)
{
    struct closing *closing = arg;
    bool abandoned;

    (void)nng_close(closing->socket);
    pthread_mutex_lock(&closing->mutex);
    closing->over = true;
    abandoned = closing->abandoned;
    pthread_cond_signal(&closing->ended);
    pthread_mutex_unlock(&closing->mutex);
    if (abandoned)
        free_closing(closing);
    return NULL;
}

static bool wait_for_close(struct closing *closing, unsigned timeout_ms)
{
    uint64_t until_ns = wire_after_ms(timeout_ms);
    bool over;

    pthread_mutex_lock(&closing->mutex);
    while (!closing->over)
        if (!condition_wait(&closing->ended, &closing->mutex, until_ns))
            break;
    over = closing->over;
    closing->abandoned = !over;
    pthread_mutex_unlock(&closing->mutex);
    return over;
}

bool wire_close(nng_socket socket, unsigned timeout_ms)
{
    struct closing *closing = calloc(1, sizeof *closing);
    pthread_t thread;

    if (closing == NULL)
        return nng_close(socket) == 0;
    closing->socket = socket;
    pthread_mutex_init(&closing->mutex, NULL);
    condition_init(&closing->ended);
    if (pthread_create(&thread, NULL, close_socket, closing) != 0) {
        free_closing(closing);
        return nng_close(socket) == 0;
    }
    if (!wait_for_close(closing, timeout_ms)) {
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    free_closing(closing);
    return true;
}
