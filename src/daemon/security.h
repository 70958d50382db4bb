#ifndef TILERY_DAEMON_SECURITY_H
#define TILERY_DAEMON_SECURITY_H

#include "daemon/daemon.h"
#include "wire/envelope.h"

/* Who may call: the token that requests must show, and what is to be said of addresses without. */
struct security;

/* Checks the options and reads the token. INVALID_ARGUMENT says what is wrong. Ends with security_free. */
WIRE_MUST_USE enum wire_status security_create(const struct daemon_options *options, struct security **out,
                                               struct wire_error *error);
void security_free(struct security *security);

/* Reads the token again: the old one is worth nothing from now on, or, on failure, still in force. *tokens
 * are good now. For one thread, while others authorize. */
WIRE_MUST_USE enum wire_status security_reload(struct security *security, size_t *tokens,
                                               struct wire_error *error);

/* UNAUTHENTICATED unless the request shows the token, there is none, or it is a health check, which has to
 * work for whoever starts and watches servers. An rpc_authorize_fn: any thread. */
WIRE_MUST_USE enum wire_status security_authorize(void *security, const struct wire_request *request,
                                                  struct wire_error *error);

/* What a warning should say of listening there; NULL: nothing. */
const char *security_url_risk(const struct security *security, const char *url);

#endif
