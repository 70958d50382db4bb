#ifndef TILERY_WIRE_SOCKET_H
#define TILERY_WIRE_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <nng/nng.h>

/*
 * The sockets below nng. It tells nobody their numbers, so the process's open files are searched for the
 * connection's two addresses; for ipc://, where a client has none, for the path and the peer's process, which
 * finds every connection of that process to that path. Any thread may call these.
 */

/*
 * Calls use for each socket of the pipe, with a duplicate that is closed after: nng may close its own
 * meanwhile. *hint, if given, is where the socket was found the last time, -1 at first: with it nothing needs
 * to be searched. False when it could not be tried. A pipe that is ending, or is inproc://, has none.
 */
bool wire_each_socket(nng_pipe pipe, int *hint, void (*use)(int fd, void *arg), void *arg);

/*
 * Has the kernel notice a peer that vanished without a word: where nothing is said, it is asked after 10 s
 * and then every 5 s, and the connection ends when there is no answer to that, or to anything sent, for
 * 30 s; for longer where a peer may leave what is sent to it unread for pause_ms. Linux's own times are two
 * hours, and a quarter of one for what is sent. The option NNG_OPT_TCP_KEEPALIVE must be set too.
 *
 * For the listener, once it is started, this holds for all it accepts from then on.
 */
void wire_tune_pipe(nng_pipe pipe);
void wire_tune_listener(nng_listener listener, uint32_t pause_ms);

/* Calls use for each socket that is connected by way of this TCP port of ours, with a duplicate that is
 * closed after, and with whom it is connected to. */
typedef void wire_connected_fn(int fd, const struct sockaddr_storage *remote, void *arg);
void wire_each_connected(int port, wire_connected_fn *use, void *arg);

/* Whether the two are one address, of TCP. */
bool wire_same_address(const struct sockaddr_storage *socket_end, const nng_sockaddr *pipe_end);

/* A figure that changes whenever the peer has taken more of what was written to it; the hint is as above. */
uint64_t wire_progress(nng_pipe pipe, int *hint);

#endif
