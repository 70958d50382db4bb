#include "daemon/security.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "wire/address.h"
#include "wire/token.h"
#include "wire/warn.h"

#define OPEN_METHOD "tilery.v1.Health/Check"

struct security {
    char *token_file;      /* NULL: no token is asked for */
    bool knows_clients;    /* by their certificates */
    pthread_rwlock_t lock; /* guards the token */
    struct wire_token token;
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

static enum wire_status read_token(const struct security *security, struct wire_token *token,
                                   struct wire_error *error)
{
    return wire_token_read(token, "token_file", security->token_file, error);
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
        goto no_memory;
    pthread_rwlock_init(&security->lock, NULL);
    security->knows_clients = options->tls.ca != NULL;
    if (options->token_file != NULL) {
        security->token_file = strdup(options->token_file);
        if (security->token_file == NULL)
            goto no_memory;
        if (read_token(security, &security->token, error) != WIRE_OK)
            goto failed;
    }
    *out = security;
    return WIRE_OK;
no_memory:
    wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the server");
failed:
    security_free(security);
    return error->status;
}

void security_free(struct security *security)
{
    if (security == NULL)
        return;
    explicit_bzero(&security->token, sizeof security->token);
    pthread_rwlock_destroy(&security->lock);
    free(security->token_file);
    free(security);
}

enum wire_status security_reload(struct security *security, struct wire_error *error)
{
    struct wire_token fresh;

    if (security->token_file == NULL)
        return WIRE_OK;
    if (read_token(security, &fresh, error) != WIRE_OK)
        return error->status;
    pthread_rwlock_wrlock(&security->lock);
    security->token = fresh;
    pthread_rwlock_unlock(&security->lock);
    explicit_bzero(&fresh, sizeof fresh);
    return WIRE_OK;
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
    const char *given;
    bool equal;

    if (security->token_file == NULL || strcmp(request->method, OPEN_METHOD) == 0)
        return WIRE_OK;
    given = authorization(request);
    if (given == NULL || strncasecmp(given, WIRE_BEARER, strlen(WIRE_BEARER)) != 0)
        return wire_error_set(error, WIRE_UNAUTHENTICATED,
                              "the server wants a token: metadata \"" WIRE_AUTHORIZATION ": " WIRE_BEARER
                              "TOKEN\"");
    pthread_rwlock_rdlock(&security->lock);
    equal = wire_token_equals(&security->token, given + strlen(WIRE_BEARER));
    pthread_rwlock_unlock(&security->lock);
    return equal ? WIRE_OK : wire_error_set(error, WIRE_UNAUTHENTICATED, "the token is not the server's");
}

const char *security_url_risk(const struct security *security, const char *url)
{
    bool tls = wire_address_is_tls(url);

    if (wire_address_is_local(url))
        return NULL;
    if (security->token_file == NULL && !(tls && security->knows_clients))
        return "may be reached from other machines, by anybody";
    if (!tls && security->token_file != NULL)
        return WARN_IN_CLEAR;
    return NULL;
}
