#ifndef TILERY_WIRE_STATUS_H
#define TILERY_WIRE_STATUS_H

#include <stdint.h>

#define WIRE_MUST_USE __attribute__((warn_unused_result))

/* gRPC's canonical codes, numbered as in proto/rpc.proto. Every fallible function outside the engine returns
 * one. */
enum wire_status {
    WIRE_OK = 0,
    WIRE_CANCELLED = 1,
    WIRE_UNKNOWN = 2,
    WIRE_INVALID_ARGUMENT = 3,
    WIRE_DEADLINE_EXCEEDED = 4,
    WIRE_NOT_FOUND = 5,
    WIRE_ALREADY_EXISTS = 6,
    WIRE_PERMISSION_DENIED = 7,
    WIRE_RESOURCE_EXHAUSTED = 8,
    WIRE_FAILED_PRECONDITION = 9,
    WIRE_ABORTED = 10,
    WIRE_OUT_OF_RANGE = 11,
    WIRE_UNIMPLEMENTED = 12,
    WIRE_INTERNAL = 13,
    WIRE_UNAVAILABLE = 14,
    WIRE_DATA_LOSS = 15,
    WIRE_UNAUTHENTICATED = 16,
};

/* The code's name as in the schema, "INVALID_ARGUMENT"; "UNKNOWN" for a number that is no code. */
const char *wire_status_name(enum wire_status status);

/* The HTTP status that stands for the code, 100 to 599. */
unsigned wire_status_http(enum wire_status status);

/* The exit status of a program that ends because of the code: its number. */
int wire_status_exit(enum wire_status status);

/* What went wrong, for a person and for a program. The message is one line of UTF-8 and is cut, never
 * overrun. */
struct wire_error {
    enum wire_status status;
    uint64_t retry_after_ms; /* 0: nothing is known of when to try again */
    char message[320];
};

/* Fills in the error and returns its status, so that a failing function can end with it. What is exhausted is
 * so for a while: the error says when to try again. */
enum wire_status wire_error_set(struct wire_error *error, enum wire_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A copy of text that is safe to show in a message: cut to fit, and everything but printable ASCII as '?'. */
const char *wire_quote(char *out, uint64_t size, const char *text);

#endif
