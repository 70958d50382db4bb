#ifndef TILERY_WIRE_SIGNALS_H
#define TILERY_WIRE_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* How a server's main ends. */

/* SIGTERM and SIGINT, to be blocked before the first thread is started, and waited for. */
void signals_to_end(sigset_t *signals);

/* SIGHUP, too, where it means that something is to be read again; and elsewhere, as another signal to end,
 * unless it is ignored, as nohup has it. */
void signals_add_hangup(sigset_t *signals, bool means_reload);

/* Waits for one of them, which are blocked. Where others have come, too, SIGHUP is the last: as many as come
 * do not hold up the end. */
int signals_wait(const sigset_t *signals);

/* While a server starts, which may take long, one of them ends the process, as below. The signals are
 * blocked. And from now on who reads what the process writes does not end it by leaving: SIGPIPE is ignored.
 */
struct signals_start {
    pthread_t thread;
    bool watched;
};
void signals_start_begin(struct signals_start *start);
/* From here on they are the caller's again, also one that has come meanwhile. Once more is fine. */
void signals_start_end(struct signals_start *start);

/* The first one has come: the next one ends the process at once, with the exit status 128 + its number. */
void signals_leave_on_next(void);

/* Ends the process, as another signal would, unless it ends by itself within 20 s: closing nng's sockets can
 * block for ever. */
void signals_start_watchdog(void);

#endif
