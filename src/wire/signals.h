#ifndef TILERY_WIRE_SIGNALS_H
#define TILERY_WIRE_SIGNALS_H

#include <signal.h>

/* How a server's main ends. */

/* SIGTERM and SIGINT, to be blocked before the first thread is started, and waited for. */
void signals_to_end(sigset_t *signals);

/* The first one has come: the next one ends the process at once, with the exit status 128 + its number. */
void signals_leave_on_next(void);

/* Ends the process, as another signal would, unless it ends by itself within 20 s: closing nng's sockets can
 * block for ever. */
void signals_start_watchdog(void);

#endif
