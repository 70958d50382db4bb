#ifndef TILERY_CLIENT_SECURE_H
#define TILERY_CLIENT_SECURE_H

/* How a client shows who it is, and makes sure of whom it talks to. */
#include <stdbool.h>

#include <nng/nng.h>

#include "tilery/client.h"
#include "wire/status.h"

/* Gives the dialer of the URL the options' TLS files, before it is started. INVALID_ARGUMENT names what is
 * wrong with them, or that they are not for this URL. */
WIRE_MUST_USE enum wire_status client_secure_dialer(nng_dialer dialer, const char *url,
                                                    const struct tilery_client_options *options,
                                                    struct wire_error *error);

/* Gives it what another dialer of the URL has. False: no memory. */
WIRE_MUST_USE bool client_secure_alike(nng_dialer dialer, nng_dialer model, const char *url);

/* The value of "authorization" for the options' token: *out ends with client_free_authorization, and is NULL
 * without a token. INVALID_ARGUMENT: it is none. */
WIRE_MUST_USE enum wire_status client_make_authorization(const struct tilery_client_options *options,
                                                         char **out, struct wire_error *error);
void client_free_authorization(char *authorization);

/* UNAVAILABLE, with what is to be made of the nng error that an attempt to connect to the URL ended with;
 * nameless: its host is an IP, and there is no tls_server_name. */
enum wire_status client_explain_failure(const char *url, bool nameless, int result, struct wire_error *error);

#endif
