#ifndef TILERY_DAEMON_DAEMON_H
#define TILERY_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/status.h"
#include "wire/tls.h"

/*
 * A whole Tilery server in the process: the service behind the RPC runtime. It neither reads argv or the
 * environment nor handles signals: that is a main's part. All functions are for one thread, the one that
 * started it.
 */
struct daemon;

/* Lines on stderr, one a call; README.md here names the fields. */
enum daemon_log { DAEMON_LOG_OFF, DAEMON_LOG_LOGFMT, DAEMON_LOG_JSON };

/* From "off", "logfmt" or "json"; false for any other text. */
WIRE_MUST_USE bool daemon_log_parse(const char *text, enum daemon_log *out);

struct daemon_options {
    const char *const *listen; /* nng URLs */
    size_t listen_count;       /* 1 to 16 */
    uint32_t max_threads;      /* of all runs side by side; 0: by the usable CPUs, or their quota */
    uint32_t max_queue;        /* requests that wait for threads */
    uint32_t max_connections;
    uint64_t max_timeout_ms;     /* of a request, also where it gives none */
    uint32_t send_timeout_ms;    /* a client that takes nothing of its replies for so long is disconnected */
    uint64_t reply_budget_bytes; /* what large replies that are not read yet may take together, and streams'
                                    windows as much; 0: the default */
    enum daemon_log log;
    struct wire_tls tls;    /* for tls+tcp:// addresses */
    const char *token_file; /* every method but Health/Check needs its token; NULL: none */
};

#define DAEMON_DEFAULTS       \
    ((struct daemon_options){ \
        .max_queue = 128, .max_connections = 1024, .max_timeout_ms = 660000, .send_timeout_ms = 5000})

/* What large replies may take where nobody says: 512 MiB, or a quarter of what this process's control group
 * may have, where that is less. A bridge has as much. */
uint64_t daemon_reply_budget(void);

/* Serves when it returns. Ends with daemon_stop. INVALID_ARGUMENT: an option cannot be meant so. */
WIRE_MUST_USE enum wire_status daemon_start(const struct daemon_options *options, struct daemon **out,
                                            struct wire_error *error);

/* The URL that listen[i] came to, with its real port. */
const char *daemon_url(const struct daemon *daemon, size_t i);

/* Why listen[i] is less safe than it could be, for a warning; NULL when it is not. */
const char *daemon_url_risk(const struct daemon *daemon, size_t i);

/* Reads the token file again, which has so many tokens now. When that fails the old ones stay in force. */
WIRE_MUST_USE enum wire_status daemon_reload(struct daemon *daemon, size_t *tokens, struct wire_error *error);

/* Refuses new work, finishes the work in hand, and cancels what is not done after grace_ms. */
void daemon_drain(struct daemon *daemon, uint64_t grace_ms);

/* Drains without grace where that was not done, delivers the last replies, closes and frees. NULL is fine. */
void daemon_stop(struct daemon *daemon);

#endif
