#ifndef TILERY_SERVICE_CANCELS_H
#define TILERY_SERVICE_CANCELS_H

#include "rpc/call.h"

/*
 * Cancels that have found nothing, and wait for a moment: requests are handled side by side, so that one may
 * have overtaken the request that it names, though it was sent after it.
 *
 * Any thread may call these. One mutex guards the list; it is never held while a call is ended.
 */
struct cancels;

/* Ends with cancels_free, when no call is left; NULL when there is no memory. */
struct cancels *cancels_create(void);
void cancels_free(struct cancels *cancels);

/* Ends the call, a Cancel: at once where look(arg, id) finds a request of that name to cancel, and else when
 * one comes, or when none has come for a moment, or at once if too many wait. */
typedef bool cancels_look_fn(void *arg, const char *id);
void cancels_wait(struct cancels *cancels, struct rpc_call *call, const char *id, cancels_look_fn *look,
                  void *arg);

/* A request of that name, which is not "", may be found from now on; with parts, by what it is a part of,
 * too.
 */
void cancels_arrived(struct cancels *cancels, const char *id, bool parts, cancels_look_fn *look, void *arg);

#endif
