#include "secure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/supplemental/tls/tls.h>

#include "wire/address.h"
#include "wire/tls.h"
#include "wire/token.h"

static const struct tilery_client_options no_options;

static enum wire_status check_url(const char *url, const struct wire_tls *tls, struct wire_error *error)
{
    bool wanted = tls->ca != NULL || tls->cert != NULL || tls->key != NULL || tls->server_name != NULL;
    char shown[160];

    for (const char *at = url; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                                  "server is \"%s\"; it must be a URL of printable ASCII characters",
                                  wire_quote(shown, sizeof shown, url));
    if (wire_address_is_tls(url) && tls->ca == NULL)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "tls_ca is not set; \"%s\" needs it to know its server by",
                              wire_quote(shown, sizeof shown, url));
    if (!wire_address_is_tls(url) && wanted)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "server is \"%s\"; with TLS options it must be a URL such as "
                              "tls+tcp://HOST:5570",
                              wire_quote(shown, sizeof shown, url));
    return WIRE_OK;
}

enum wire_status client_secure_dialer(nng_dialer dialer, const char *url,
                                      const struct tilery_client_options *options, struct wire_error *error)
{
    const struct tilery_client_options *given = options != NULL ? options : &no_options;
    const struct wire_tls tls = {.ca = given->tls_ca,
                                 .cert = given->tls_cert,
                                 .key = given->tls_key,
                                 .server_name = given->tls_server_name};
    enum wire_status status;
    void *config;
    int result;

    if (check_url(url, &tls, error) != WIRE_OK)
        return error->status;
    if (!wire_address_is_tls(url))
        return WIRE_OK;
    result = nng_dialer_get_ptr(dialer, NNG_OPT_TLS_CONFIG, &config);
    if (result != 0)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "there is no TLS here: %s", nng_strerror(result));
    status = wire_tls_fill(config, &tls, error);
    nng_tls_config_free(config);
    return status;
}

bool client_secure_alike(nng_dialer dialer, nng_dialer model, const char *url)
{
    void *config;
    int result;

    if (!wire_address_is_tls(url))
        return true;
    if (nng_dialer_get_ptr(model, NNG_OPT_TLS_CONFIG, &config) != 0)
        return false;
    result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config);
    return result == 0;
}

static enum wire_status find_token(const struct tilery_client_options *options, struct wire_token *token,
                                   struct wire_error *error)
{
    if (options->token != NULL && options->token_file != NULL)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "token and token_file are both set");
    return options->token != NULL ? wire_token_set(token, "token", options->token, error)
                                  : wire_token_read(token, "token_file", options->token_file, error);
}

enum wire_status client_make_authorization(const struct tilery_client_options *options, char **out,
                                           struct wire_error *error)
{
    struct wire_token token;

    *out = NULL;
    if (options == NULL || (options->token == NULL && options->token_file == NULL))
        return WIRE_OK;
    if (find_token(options, &token, error) != WIRE_OK)
        return error->status;
    if (asprintf(out, WIRE_BEARER "%s", token.text) < 0) {
        *out = NULL;
        wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the client");
    }
    explicit_bzero(&token, sizeof token);
    return *out != NULL ? WIRE_OK : error->status;
}

void client_free_authorization(char *authorization)
{
    if (authorization == NULL)
        return;
    explicit_bzero(authorization, strlen(authorization));
    free(authorization);
}

enum wire_status client_explain_failure(const char *url, bool nameless, int result, struct wire_error *error)
{
    bool tls = wire_address_is_tls(url);

    switch (result) {
    case NNG_ECRYPTO:
    case NNG_EPEERAUTH:
        return wire_error_set(error, WIRE_UNAVAILABLE,
                              "no TLS with %s: it is no TLS server, or one side does not accept the other's "
                              "certificate; look at its CA, its dates and the server's name%s (%s)",
                              url, nameless ? ", which tls_server_name gives where the URL has an IP" : "",
                              nng_strerror(result));
    case NNG_ECLOSED:
    case NNG_ECONNSHUT:
    case NNG_ECONNRESET:
    case NNG_EPROTO:
        return wire_error_set(
            error, WIRE_UNAVAILABLE,
            tls ? "%s ended the connection: it is no TLS server, or does not accept the "
                  "client's certificate (%s)"
                : "%s ended the connection: it is no Tilery server, or wants tls+tcp:// (%s)",
            url, nng_strerror(result));
    case NNG_EADDRINVAL:
        return wire_error_set(error, WIRE_UNAVAILABLE,
                              "no server at %s: the host, or the port, is none that is known", url);
    default:
        return wire_error_set(error, WIRE_UNAVAILABLE, "no server at %s: %s", url,
                              result != 0 ? nng_strerror(result) : "not connected in time");
    }
}
