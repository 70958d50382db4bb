#include "daemon/security.h"

#include <stdlib.h>
#include <string.h>

#include "wire/address.h"
#include "wire/token_file.h"
#include "wire/warn.h"

#define OPEN_METHOD "tilery.v1.Health/Check"

struct security {
    struct token_file *token; /* NULL: none is asked for */
    bool knows_clients;       /* by their certificates */
};

static enum wire_status check_tls(const struct daemon_options *options, struct wire_error *error)
{
    bool wanted = options->tls.ca != NULL || options->tls.cert != NULL || options->tls.key != NULL;

    for (size_t i = 0; i < options->listen_count; i++)
        if (wire_address_is_tls(options->listen[i]))
            return WIRE_OK; /* its listener looks at the files */
    if (wanted)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "TLS files are given, and no address to listen on begins with tls+tcp://");
    return WIRE_OK;
}

enum wire_status security_create(const struct daemon_options *options, struct security **out,
                                 struct wire_error *error)
{
    struct security *security;

    *out = NULL;
    if (check_tls(options, error) != WIRE_OK)
        return error->status;
    security = calloc(1, sizeof *security);
    if (security == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the server");
    security->knows_clients = options->tls.ca != NULL;
    if (options->token_file != NULL &&
        token_file_create(options->token_file, &security->token, error) != WIRE_OK) {
        security_free(security);
        return error->status;
    }
    *out = security;
    return WIRE_OK;
}

void security_free(struct security *security)
{
    if (security == NULL)
        return;
    token_file_free(security->token);
    free(security);
}

enum wire_status security_reload(struct security *security, size_t *tokens, struct wire_error *error)
{
    return token_file_reload(security->token, tokens, error);
}

static const char *authorization(const struct wire_request *request)
{
    for (size_t i = 0; i < request->metadata_count; i++)
        if (strcmp(request->metadata[i].key, WIRE_AUTHORIZATION) == 0)
            return request->metadata[i].value;
    return NULL;
}

enum wire_status security_authorize(void *arg, const struct wire_request *request, struct wire_error *error)
{
    struct security *security = arg;

    if (security->token == NULL || strcmp(request->method, OPEN_METHOD) == 0)
        return WIRE_OK;
    switch (token_file_check(security->token, authorization(request))) {
    case TOKEN_SHOWN:
        return WIRE_OK;
    case TOKEN_WRONG:
        return wire_error_set(error, WIRE_UNAUTHENTICATED, "the token is not the server's");
    case TOKEN_MISSING:
        break;
    }
    return wire_error_set(error, WIRE_UNAUTHENTICATED,
                          "the server wants a token: metadata \"" WIRE_AUTHORIZATION ": " WIRE_BEARER
                          "TOKEN\"");
}

const char *security_url_risk(const struct security *security, const char *url)
{
    bool tls = wire_address_is_tls(url);

    if (wire_address_is_local(url))
        return NULL;
    if (security->token == NULL && !(tls && security->knows_clients))
        return "may be reached from other machines, by anybody";
    if (!tls && security->token != NULL)
        return WARN_IN_CLEAR;
    return NULL;
}
