/* Where the bridge listens. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

enum tilery_status bridge_fail(struct tilery_error *error, enum tilery_status status, const char *text,
                               const char *value)
{
    error->status = status;
    error->retry_after_ms = 0;
    (void)snprintf(error->message, sizeof error->message, text, value);
    return status;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits != 0 && digits < 6 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* ADDR:PORT, both numeric; the last colon parts them, and an IPv6 address stands in brackets. */
enum tilery_status bridge_read_address(const char *listen, struct addrinfo **out, struct tilery_error *error)
{
    static const char text[] = "listen is \"%s\"; it must be a numeric ADDR:PORT such as 127.0.0.1:8405";
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(listen, ':');
    char host[64];
    size_t len;

    if (colon == NULL || !is_port(colon + 1))
        return bridge_fail(error, TILERY_INVALID_ARGUMENT, text, listen);
    len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && colon[-1] == ']') {
        listen++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof host)
        return bridge_fail(error, TILERY_INVALID_ARGUMENT, text, listen);
    memcpy(host, listen, len);
    host[len] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, out) != 0)
        return bridge_fail(error, TILERY_INVALID_ARGUMENT, text, listen);
    return TILERY_OK;
}

/* libmicrohttpd does not tell why it does not start: what the system says of the address; 0: it can be
 * listened on. */
static int why_no_listener(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), reuse = 1, why = 0;

    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, 1) != 0)
        why = errno;
    close(fd);
    return why;
}

void bridge_explain(const struct addrinfo *address, const char *listen, struct tilery_error *error)
{
    int why = why_no_listener(address);
    char where[160];

    (void)snprintf(where, sizeof where, "%s: %s", listen, strerror(why));
    if (why == 0)
        bridge_fail(error, TILERY_RESOURCE_EXHAUSTED, "no memory or thread to listen on %s", listen);
    else
        bridge_fail(error, TILERY_UNAVAILABLE, "cannot listen on %s", where);
}

/* MHD_quiesce_daemon aborts where a worker, which it has told to, takes the listener out of its epoll set
 * before it does so itself (0.9.75 to 1.0.1). Instead the workers are left a descriptor that never has
 * anything. */
void bridge_stop_listening(struct MHD_Daemon *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http, MHD_DAEMON_INFO_LISTEN_FD);
    int silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (info == NULL || silent < 0 || dup3(silent, info->listen_fd, O_CLOEXEC) < 0)
        (void)shutdown(MHD_quiesce_daemon(http), SHUT_RDWR);
    if (silent >= 0)
        close(silent);
}
