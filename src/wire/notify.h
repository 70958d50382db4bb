#ifndef TILERY_WIRE_NOTIFY_H
#define TILERY_WIRE_NOTIFY_H

/* The environment's name for where a service manager wants to be told. */
#define NOTIFY_SOCKET "NOTIFY_SOCKET"

#define NOTIFY_READY "READY=1"
#define NOTIFY_STOPPING "STOPPING=1"

/*
 * Tells the service manager, for a main, as sd_notify(3) does: a datagram to the AF_UNIX socket `where`,
 * whose name is abstract where it begins with '@'. NULL or an empty name: there is nobody to tell. Never
 * waits; that it could not be told is not said, for the manager notices by itself.
 */
void notify(const char *where, const char *state);

#endif
