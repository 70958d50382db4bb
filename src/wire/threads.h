#ifndef TILERY_WIRE_THREADS_H
#define TILERY_WIRE_THREADS_H

#include <stdbool.h>

/*
 * Whether nng can start. One thread that it cannot make then, and it crashes or waits for ever: so as many
 * are made and ended first. What has been true stays so, as nng starts once. Any thread.
 */
bool wire_nng_can_start(void);

#endif
