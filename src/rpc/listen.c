/* Listeners: their TLS, and the files behind ipc://. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "rpc/internal.h"
#include "wire/address.h"
#include "wire/socket.h"

#define URL_BYTES 256
#define OWNER_ONLY 0600

/* The path of an ipc:// URL; NULL for any other. */
static const char *ipc_path(const char *url)
{
    return strncasecmp(url, "ipc://", 6) == 0 || strncasecmp(url, "unix://", 7) == 0 ? strchr(url, ':') + 3
                                                                                     : NULL;
}

static enum wire_status refuse(struct wire_error *error, enum wire_status status, const char *url,
                               const char *why)
{
    char shown[160];

    return wire_error_set(error, status, "cannot listen on \"%s\": %s", wire_quote(shown, sizeof shown, url),
                          why);
}

static enum wire_status refuse_by_errno(struct wire_error *error, const char *url, const char *path)
{
    char why[200];

    (void)snprintf(why, sizeof why, "%.120s: %s", path, strerror(errno));
    return refuse(error, errno == EACCES || errno == EPERM ? WIRE_PERMISSION_DENIED : WIRE_UNAVAILABLE, url,
                  why);
}

/*
 * A file lock tells whether the path's server is alive, where looking at the socket would disturb it: nng
 * asks by connecting and closing. It is taken before the socket is touched, ends with the process or the
 * server, and its file stays: a file that comes and goes could be locked by two, the old one and the new.
 */
static enum wire_status lock_path(struct rpc_server *server, const char *url, const char *path,
                                  struct wire_error *error)
{
    char name[sizeof((struct sockaddr_un *)NULL)->sun_path + sizeof ".lock"];
    int fd;

    (void)snprintf(name, sizeof name, "%s.lock", path);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, OWNER_ONLY);
    if (fd < 0)
        return refuse_by_errno(error, url, name);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return refuse(error, WIRE_UNAVAILABLE, url, "another server listens there");
    }
    server->locks[server->listeners] = fd;
    return WIRE_OK;
}

/* nng removes what it finds at the path when nobody accepts connections there: so that must be a socket. */
static enum wire_status prepare_path(struct rpc_server *server, const char *url, const char *path,
                                     struct wire_error *error)
{
    struct stat info;

    if (path[0] == '\0' || strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return refuse(error, WIRE_INVALID_ARGUMENT, url, "the path must have from 1 to 107 characters");
    if (lstat(path, &info) == 0 && !S_ISSOCK(info.st_mode))
        return refuse(error, WIRE_INVALID_ARGUMENT, url, "there is a file that is no socket");
    return lock_path(server, url, path, error);
}

static enum wire_status set_tls(const struct rpc_server *server, nng_listener listener, const char *url,
                                struct wire_error *error)
{
    const struct wire_tls *tls = &server->options.tls;
    enum wire_status status;
    char shown[160];
    void *config;
    int result;

    if (tls->cert == NULL)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "tls_cert is not set; \"%s\" needs it, and its key",
                              wire_quote(shown, sizeof shown, url));
    result = nng_listener_get_ptr(listener, NNG_OPT_TLS_CONFIG, &config);
    if (result != 0)
        return refuse(error, WIRE_UNAVAILABLE, url, nng_strerror(result));
    status = wire_tls_fill(config, tls, error);
    nng_tls_config_free(config);
    return status;
}

static enum wire_status set_up(struct rpc_server *server, nng_listener listener, const char *url,
                               struct wire_error *error)
{
    const char *path = ipc_path(url);

    if (wire_address_is_tls(url))
        return set_tls(server, listener, url, error);
    if (path == NULL)
        return WIRE_OK;
    /* nng sets the mode before it listens, and nobody can connect to a socket that does not: no need to
     * change the process's umask. */
    (void)nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, OWNER_ONLY);
    return prepare_path(server, url, path, error);
}

/* Only tcp has ports to choose from; any other URL is bound as it is given. */
static void bound_url(nng_listener listener, const char *url, char *bound)
{
    const char *scheme_end = strstr(url, "://"), *port = strrchr(url, ':');
    int chosen;

    (void)snprintf(bound, URL_BYTES, "%s", url);
    if (scheme_end == NULL || port == scheme_end || strncmp(url, "inproc", 6) == 0 ||
        nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &chosen) != 0)
        return;
    (void)snprintf(bound, URL_BYTES, "%.*s:%d", (int)(port - url), url, chosen);
}

/* A scheme that we serve, and the whole address: nng would choose a port or an abstract name where there is
 * none, and its ws:// and wss:// are not for peers that are not trusted. */
static bool is_whole(const char *url)
{
    static const char *const with_port[] = {"tcp://",     "tcp4://",     "tcp6://",
                                            "tls+tcp://", "tls+tcp4://", "tls+tcp6://"};
    static const char *const with_name[] = {"ipc://", "unix://", "abstract://", "inproc://"};
    const char *port = strrchr(url, ':');

    for (size_t i = 0; i < sizeof with_port / sizeof *with_port; i++)
        if (strncasecmp(url, with_port[i], strlen(with_port[i])) == 0)
            return port >= url + strlen(with_port[i]) && port[1] != '\0' && strchr(port, ']') == NULL;
    for (size_t i = 0; i < sizeof with_name / sizeof *with_name; i++)
        if (strncasecmp(url, with_name[i], strlen(with_name[i])) == 0)
            return url[strlen(with_name[i])] != '\0';
    return false;
}

static enum wire_status create(struct rpc_server *server, const char *url, nng_listener *listener,
                               struct wire_error *error)
{
    char shown[128];
    int result;

    if (server->listeners == RPC_MAX_LISTENERS)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "more than %d addresses to listen on",
                              RPC_MAX_LISTENERS);
    result = is_whole(url) ? nng_listener_create(listener, server->socket, url) : NNG_EADDRINVAL;
    if (result == NNG_ENOMEM)
        return refuse(error, WIRE_RESOURCE_EXHAUSTED, url, "no memory");
    if (result != 0)
        return wire_error_set(
            error, WIRE_INVALID_ARGUMENT,
            "cannot listen on \"%s\": it must be a URL such as tcp://127.0.0.1:5570, tls+tcp://HOST:PORT, "
            "ipc:///PATH or abstract://NAME (%s)",
            wire_quote(shown, sizeof shown, url), nng_strerror(result));
    return WIRE_OK;
}

enum wire_status rpc_server_listen(struct rpc_server *server, const char *url, char *bound,
                                   struct wire_error *error)
{
    nng_listener listener;
    int result, port;

    if (create(server, url, &listener, error) != WIRE_OK)
        return error->status;
    server->locks[server->listeners] = -1;
    if (set_up(server, listener, url, error) != WIRE_OK)
        goto failed;
    if (!rpc_pulse_start(server, url)) {
        refuse(error, WIRE_RESOURCE_EXHAUSTED, url, "no memory");
        goto failed;
    }
    (void)nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true); /* other transports have none */
    result = nng_listener_start(listener, 0);
    if (result != 0) {
        refuse(error, result == NNG_EPERM ? WIRE_PERMISSION_DENIED : WIRE_UNAVAILABLE, url,
               nng_strerror(result));
        goto failed;
    }
    wire_tune_listener(listener, server->options.send_timeout_ms);
    bound_url(listener, url, bound);
    if (wire_address_is_tls(url) && nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port) == 0)
        atomic_store(&server->tls_ports[server->listeners], port);
    pthread_mutex_lock(&server->mutex);
    server->listener_ids[server->listeners++] = (uint64_t)nng_listener_id(listener);
    pthread_mutex_unlock(&server->mutex);
    return WIRE_OK;
failed:
    (void)nng_listener_close(listener);
    if (server->locks[server->listeners] >= 0)
        close(server->locks[server->listeners]);
    return error->status;
}

void rpc_unlock_paths(struct rpc_server *server)
{
    while (server->listeners != 0)
        if (server->locks[--server->listeners] >= 0)
            close(server->locks[server->listeners]);
}
