#ifndef TILERY_BRIDGE_ACCESS_LOG_H
#define TILERY_BRIDGE_ACCESS_LOG_H

#include <stdbool.h>

#include "bridge.h"
#include "wire/status.h"

/* A line on stderr for each answer; daemon/log.h tells what becomes of lines that nobody reads. */
struct access_log;

/* Ends with access_log_free. */
WIRE_MUST_USE enum wire_status access_log_create(bool json, struct access_log **out,
                                                 struct wire_error *error);

/* When nobody writes to it any more. NULL is fine. */
void access_log_free(struct access_log *log);

/* A bridge_answered_fn; arg is the log. */
void access_log_write(void *arg, const struct bridge_answered *answered);

#endif
