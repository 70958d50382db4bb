#ifndef TILERY_BRIDGE_BRIDGE_H
#define TILERY_BRIDGE_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tilery/client.h"

/*
 * The HTTP bridge: libmicrohttpd in front, libtilery behind. A few threads hold all connections: a connection
 * whose request is computed is suspended, and resumed by the call's callback.
 */
struct bridge;

struct bridge_options {
    const char *listen;    /* ADDR:PORT, [ADDR6]:PORT; numeric */
    tilery_client *client; /* the caller's; closed after the bridge has drained and before it is freed */
    const char *const *allowed_origins; /* besides loopback ones */
    size_t allowed_count;
    bool check_host;                  /* only loopback names and these may stand in Host */
    const char *const *allowed_hosts; /* without a port */
    size_t host_count;
    uint64_t reply_budget_bytes; /* what large answers that are not sent yet may take together */
    unsigned max_per_address;    /* connections from one address; 0: no limit */
};

/* Serves when it returns. Ends with bridge_free. */
enum tilery_status bridge_start(const struct bridge_options *options, struct bridge **out,
                                struct tilery_error *error);

/* Whether it is an origin as browsers send them, but "null": scheme, host and perhaps a port. */
bool bridge_origin_is_valid(const char *origin);

/* "http://127.0.0.1:8405", with the real port. */
const char *bridge_url(const struct bridge *bridge);

/* Takes no new connection and waits until all requests in hand are answered, at most grace_ms. */
void bridge_drain(struct bridge *bridge, uint64_t grace_ms);

/* After the client was closed, so that nothing is suspended any more. NULL is fine. */
void bridge_free(struct bridge *bridge);

#endif
