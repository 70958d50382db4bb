#ifndef TILERY_WIRE_TLS_H
#define TILERY_WIRE_TLS_H

#include "wire/status.h"

/*
 * One end of tls+tcp://: PEM files, and what they are for. cert and key go together.
 *
 * A client verifies the server's certificate by ca, which it needs, and shows its own, where it has one. A
 * server shows its certificate, which it needs; with ca it takes only clients that show one that ca verifies.
 */
struct wire_tls {
    const char *ca, *cert, *key;
    const char *server_name; /* a client's: the name in the server's certificate; NULL: the URL's host */
};

struct nng_tls_config;

/* INVALID_ARGUMENT names the file that cannot be used. The configuration stays the caller's. */
WIRE_MUST_USE enum wire_status wire_tls_fill(struct nng_tls_config *config, const struct wire_tls *tls,
                                             struct wire_error *error);

#endif
