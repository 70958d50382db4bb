/*
 * A remedy for nng before 1.6, which every program of ours puts before libc's sendmsg: to a peer that is
 * gone, everything that nng sends counts as sent. Others, such as libmicrohttpd, are told.
 *
 * There, a connection whose send fails while a request of it is between header and body is never cleared
 * away, nor is any other after it, nor dialled again: see wire/hangup.h. A client that pipelines and is
 * killed does that to a server more often than not, and a server that is killed under load to its client.
 * When no send fails, a connection's end is met by the receiving side alone, once it has read what came
 * before.
 *
 * And a listener of ipc:// or tls+tcp:// is deaf for ever when a send of its handshake fails because the peer
 * is gone: nng takes that for the listener's own end. When no send fails, the handshake ends in a receive.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nng/nng.h>

#include "daemon/remedy.h"

#if NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION < 6

static ssize_t length_of(const struct msghdr *message)
{
    size_t length = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        length += message->msg_iov[i].iov_len;
    return (ssize_t)length;
}

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = syscall(SYS_sendmsg, fd, message, flags | MSG_NOSIGNAL);
    int why = errno;

    if (sent < 0 && (why == EPIPE || why == ECONNRESET) && remedy_is_nng(__builtin_return_address(0)))
        return length_of(message);
    errno = why;
    return sent;
}

#else
typedef int not_empty;
#endif
