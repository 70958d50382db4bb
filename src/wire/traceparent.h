#ifndef TILERY_WIRE_TRACEPARENT_H
#define TILERY_WIRE_TRACEPARENT_H

#include <stdbool.h>

/* https://www.w3.org/TR/trace-context/#traceparent-header: VERSION-TRACE_ID-PARENT_ID-FLAGS, in lower-case
 * hex. A version to come may have more behind the flags. */
#define WIRE_TRACEPARENT 55
#define WIRE_TRACE_ID 3   /* where it begins, 32 characters long; */
#define WIRE_PARENT_ID 36 /* 16 characters long */
#define WIRE_TRACE_FLAGS 53

bool wire_traceparent_is_valid(const char *value);

#endif
