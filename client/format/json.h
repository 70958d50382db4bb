#ifndef TILERY_FORMAT_JSON_H
#define TILERY_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "tilery/client.h"

/* The buffer given to json_reply_next holds at least this many bytes. */
#define JSON_MIN_BUFFER 1024u

/* What is added to the documented JSON. All zero: nothing. */
struct json_options {
    bool ns;      /* start_time_ns and duration_ns in every record */
    bool summary; /* "summary", after the documented keys */
    /* These in "params", too. */
    bool schedule, kernel, region;
};

/*
 * The documented JSON of a computation: {"success": true, "data": [records], "params": {...}, "message":
 * "..."}, compact, in pieces of any size, so that a million records need no more memory than ten. Plain data;
 * nothing to free. The request and the result stay the caller's and outlive it.
 */
struct json_reply {
    const struct tilery_compute_request *request;
    const tilery_result *result;
    struct json_options options;
    size_t next; /* record, then thread */
    enum { JSON_HEAD, JSON_RECORDS, JSON_TAIL, JSON_SUMMARY, JSON_THREADS, JSON_CLOSE, JSON_END } stage;
};

/* options may be NULL. */
void json_reply_init(struct json_reply *reply, const struct tilery_compute_request *request,
                     const tilery_result *result, const struct json_options *options);

/* Writes the next piece, not terminated, and returns its length; 0 when all is written. */
size_t json_reply_next(struct json_reply *reply, char *buffer, size_t size);

#endif
