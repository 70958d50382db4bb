#include "wire/socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define IDLE_S 10
#define INTERVAL_S 5
#define PROBES 3
#define SILENCE_MS 30000u
/* More than any server has connections. */
#define MOST_FDS 131072

/* What tells a pipe's or a listener's socket from others. */
struct ends {
    nng_sockaddr local, remote;
    uint64_t peer_pid; /* ipc:// only */
    bool listens;      /* there is no remote end */
};

bool wire_same_address(const struct sockaddr_storage *socket_end, const nng_sockaddr *pipe_end)
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

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t len = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0;
}

static bool is_socket_of(int fd, const struct ends *ends)
{
    struct sockaddr_storage local = {0}, remote = {0};
    socklen_t local_len = sizeof local, remote_len = sizeof remote, cred_len = sizeof(struct ucred);
    struct ucred cred;

    if (getsockname(fd, (struct sockaddr *)&local, &local_len) != 0)
        return false;
    if (ends->listens)
        return wire_same_address(&local, &ends->local) && is_listening(fd);
    if (getpeername(fd, (struct sockaddr *)&remote, &remote_len) != 0)
        return false;
    if (ends->local.s_family != NNG_AF_IPC)
        return wire_same_address(&local, &ends->local) && wire_same_address(&remote, &ends->remote);
    return (has_path(&local, &ends->local) || has_path(&remote, &ends->remote)) &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) == 0 &&
           (uint64_t)cred.pid == ends->peer_pid;
}

struct search {
    struct ends ends;
    void (*use)(int fd, void *arg);
    void *arg;
    int found;   /* the last one, or -1 */
    bool failed; /* something could not be tried */
};

/* Looks twice, the second time at the duplicate, which stays the same socket should nng close its own. */
static void visit(int fd, void *arg)
{
    struct search *search = arg;
    int copy;

    if (!is_socket_of(fd, &search->ends))
        return;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    search->failed |= copy < 0;
    if (copy < 0)
        return;
    if (is_socket_of(copy, &search->ends)) {
        search->found = fd;
        search->use(copy, search->arg);
    }
    close(copy);
}

/* For want of memory, or of a descriptor, to list those that there are: any number. */
static void visit_blindly(void (*look)(int fd, void *arg), void *arg)
{
    long most = sysconf(_SC_OPEN_MAX);

    for (int fd = 0; fd < MOST_FDS && (most < 0 || fd < most); fd++)
        look(fd, arg);
}

static void visit_all(void (*look)(int fd, void *arg), void *arg)
{
    DIR *files = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (files == NULL) {
        visit_blindly(look, arg);
        return;
    }
    while ((entry = readdir(files)) != NULL)
        if (entry->d_name[0] != '.')
            look(atoi(entry->d_name), arg);
    closedir(files);
}

bool wire_each_socket(nng_pipe pipe, int *hint, void (*use)(int fd, void *arg), void *arg)
{
    struct search search = {.use = use, .arg = arg, .found = -1};

    if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &search.ends.local) != 0 ||
        nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &search.ends.remote) != 0 ||
        search.ends.local.s_family == NNG_AF_INPROC)
        return true;
    (void)nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &search.ends.peer_pid);
    if (hint != NULL && *hint >= 0 && search.ends.local.s_family != NNG_AF_IPC)
        visit(*hint, &search);
    if (search.found < 0)
        visit_all(visit, &search);
    if (hint != NULL)
        *hint = search.found;
    return !search.failed;
}

static void tune(int fd, void *arg)
{
    const int idle = IDLE_S, interval = INTERVAL_S, probes = PROBES;
    const unsigned *silence_ms = arg;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, silence_ms, sizeof *silence_ms);
}

void wire_tune_pipe(nng_pipe pipe)
{
    unsigned silence_ms = SILENCE_MS;

    (void)wire_each_socket(pipe, NULL, tune, &silence_ms);
}

void wire_tune_listener(nng_listener listener, uint32_t pause_ms)
{
    unsigned silence_ms = pause_ms > SILENCE_MS ? pause_ms : SILENCE_MS;
    struct search search = {.ends = {.listens = true}, .use = tune, .arg = &silence_ms, .found = -1};

    if (nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &search.ends.local) == 0)
        visit_all(visit, &search);
}

struct connected {
    int port;
    wire_connected_fn *use;
    void *arg;
};

static int port_of(const struct sockaddr_storage *address)
{
    switch (address->ss_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    default:
        return -1;
    }
}

static bool is_bound_to(int fd, int port)
{
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof local;

    return getsockname(fd, (struct sockaddr *)&local, &len) == 0 && port_of(&local) == port;
}

/* Looks twice, as above, but where all descriptors are taken: then nng's own is used. */
static void visit_connected(int fd, void *arg)
{
    const struct connected *connected = arg;
    struct sockaddr_storage remote = {0};
    socklen_t len = sizeof remote;
    int copy, used;

    if (!is_bound_to(fd, connected->port))
        return;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    used = copy >= 0 ? copy : fd;
    if (is_bound_to(used, connected->port) && getpeername(used, (struct sockaddr *)&remote, &len) == 0)
        connected->use(used, &remote, connected->arg);
    if (copy >= 0)
        close(copy);
}

void wire_each_connected(int port, wire_connected_fn *use, void *arg)
{
    struct connected connected = {port, use, arg};

    visit_all(visit_connected, &connected);
}

/* What the peer's kernel has acknowledged; a local socket tells what waits in it, which a reader changes. */
static void add_taken(int fd, void *arg)
{
    struct tcp_info info = {.tcpi_bytes_acked = 0};
    socklen_t len = sizeof info;
    uint64_t *taken = arg;
    int waiting = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
        *taken += info.tcpi_bytes_acked;
    else if (ioctl(fd, SIOCOUTQ, &waiting) == 0)
        *taken += (uint64_t)waiting;
}

uint64_t wire_progress(nng_pipe pipe, int *hint)
{
    uint64_t taken = 0;

    (void)wire_each_socket(pipe, hint, add_taken, &taken);
    return taken;
}
