#include "wire/hangup.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/clock.h"

/* What tells a pipe's socket from others. */
struct ends {
    nng_sockaddr local, remote;
    uint64_t peer_pid; /* ipc:// only */
};

static bool same_address(const struct sockaddr_storage *socket_end, const nng_sockaddr *pipe_end)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)socket_end;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)socket_end;

    switch (pipe_end->s_family) {
    case NNG_AF_INET:
        return in->sin_family == AF_INET && in->sin_port == pipe_end->s_in.sa_port &&
               in->sin_addr.s_addr == pipe_end->s_in.sa_addr;
    case NNG_AF_INET6:
        return in6->sin6_family == AF_INET6 && in6->sin6_port == pipe_end->s_in6.sa_port &&
               memcmp(&in6->sin6_addr, pipe_end->s_in6.sa_addr, sizeof in6->sin6_addr) == 0;
    default:
        return false;
    }
}

static bool has_path(const struct sockaddr_storage *socket_end, const nng_sockaddr *pipe_end)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)socket_end;

    return un->sun_family == AF_UNIX && un->sun_path[0] != '\0' &&
           strncmp(un->sun_path, pipe_end->s_ipc.sa_path, sizeof un->sun_path) == 0;
}

static bool is_socket_of(int fd, const struct ends *ends)
{
    struct sockaddr_storage local = {0}, remote = {0};
    socklen_t local_len = sizeof local, remote_len = sizeof remote, cred_len = sizeof(struct ucred);
    struct ucred cred;

    if (getsockname(fd, (struct sockaddr *)&local, &local_len) != 0 ||
        getpeername(fd, (struct sockaddr *)&remote, &remote_len) != 0)
        return false;
    if (ends->local.s_family != NNG_AF_IPC)
        return same_address(&local, &ends->local) && same_address(&remote, &ends->remote);
    return (has_path(&local, &ends->local) || has_path(&remote, &ends->remote)) &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) == 0 &&
           (uint64_t)cred.pid == ends->peer_pid;
}

static void hang_up_socket(int fd, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* close() will reset */

    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)shutdown(fd, SHUT_RD);
}

/* False when it could not be tried. Looks twice, the second time at a duplicate, which stays the same socket
 * should nng close its own meanwhile. */
static bool hang_up_if(int fd, const struct ends *ends, bool reset)
{
    int copy;

    if (!is_socket_of(fd, ends))
        return true;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    if (is_socket_of(copy, ends))
        hang_up_socket(copy, reset);
    close(copy);
    return true;
}

bool wire_hang_up(nng_pipe pipe, bool reset)
{
    struct ends ends = {.peer_pid = 0};
    const struct dirent *entry;
    bool tried = true;
    DIR *files;

    if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &ends.local) != 0 ||
        nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &ends.remote) != 0)
        return true;
    if (ends.local.s_family == NNG_AF_INPROC) {
        nng_pipe_close(pipe);
        return true;
    }
    (void)nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &ends.peer_pid);
    files = opendir("/proc/self/fd");
    if (files == NULL)
        return false;
    while ((entry = readdir(files)) != NULL)
        if (entry->d_name[0] != '.')
            tried &= hang_up_if(atoi(entry->d_name), &ends, reset);
    closedir(files);
    return tried;
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
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                                   .tv_nsec = (long)(until_ns % 1000000000u)};
    bool over;

    pthread_mutex_lock(&closing->mutex);
    while (!closing->over)
        if (pthread_cond_timedwait(&closing->ended, &closing->mutex, &until) != 0)
            break;
    over = closing->over;
    closing->abandoned = !over;
    pthread_mutex_unlock(&closing->mutex);
    return over;
}

bool wire_close(nng_socket socket, unsigned timeout_ms)
{
    struct closing *closing = calloc(1, sizeof *closing);
    pthread_condattr_t clock;
    pthread_t thread;

    if (closing == NULL)
        return nng_close(socket) == 0;
    closing->socket = socket;
    pthread_mutex_init(&closing->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&closing->ended, &clock);
    pthread_condattr_destroy(&clock);
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
