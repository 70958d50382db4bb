/* Before libc's, in the bridge: its main thread takes a listener out of an epoll set only when a worker has
 * done so, or a while later. */
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_MS 5000

static atomic_int taken_from = -1;

static int is_listener(int fd)
{
    socklen_t len = sizeof(int);
    int listens = 0;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

__attribute__((visibility("default"))) int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    int watched = what == EPOLL_CTL_DEL && is_listener(fd), result;

    if (watched && gettid() == getpid())
        for (int ms = 0; ms < PATIENCE_MS && atomic_load(&taken_from) != epoll; ms++)
            usleep(1000);
    result = (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
    if (watched)
        atomic_store(&taken_from, epoll);
    return result;
}
