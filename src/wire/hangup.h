#ifndef TILERY_WIRE_HANGUP_H
#define TILERY_WIRE_HANGUP_H

#include <stdbool.h>

#include <nng/nng.h>

/*
 * Ends a connection from below: its socket receives no more, whereupon nng sees the peer as gone and closes
 * the pipe itself. With reset, what is not yet sent is dropped and the peer is told so by a reset: one that
 * reads nothing would not learn of the end otherwise.
 *
 * This is how to end a connection whose peer may be sending. nng before 1.6 loses a receive when
 * nng_pipe_close, nng_close or a failed send meets it between a message's header and its body, and then waits
 * for it for ever, in the one thread that clears all closed pipes away. Ended from the receiving side, none
 * is under way. A send between two parts of a message is lost likewise: so a connection is ended when its
 * sends stand still or are done.
 *
 * wire/socket.h tells how the socket is found; over ipc:// every connection of the peer's process to the path
 * ends. A pipe that has no addresses any more is ending already; one that has no socket, as with inproc://,
 * is closed by nng_pipe_close. False when it could not be tried. Any thread may call it.
 */
bool wire_hang_up(nng_pipe pipe, bool reset);

/*
 * Whether the connection below the pipe has ended. nng misses the end of one over TLS that comes with a
 * message, before it asks for the next: it has shut the socket by then, but the pipe stays, and what is sent
 * goes nowhere. Such a pipe is to be closed, but not before nng is done with that message, or the close meets
 * its receive: where this is true twice, half a second apart. Any thread may call it.
 */
bool wire_has_ended(nng_pipe pipe);

/*
 * nng_close, waited for no longer than timeout_ms, as it can block for ever: see above; a peer that vanishes
 * while both directions are busy is enough. False when it still blocks, on a thread of its own; then nng may
 * go on using what the socket's callbacks were given.
 */
bool wire_close(nng_socket socket, unsigned timeout_ms);

#endif
