#include "wire/tls.h"

#include <stddef.h>
#include <stdio.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "wire/certificate.h"
#include "wire/file.h"

static enum wire_status refuse(struct wire_error *error, const char *what, int result)
{
    if (result == NNG_ENOMEM)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for TLS");
    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s cannot be used: %s", what, nng_strerror(result));
}

static enum wire_status fill_ca(nng_tls_config *config, const char *path, struct wire_error *error)
{
    char what[200], shown[160];
    char *pem;
    int result;

    if (wire_file_read("tls_ca", path, WIRE_MAX_PEM, &pem, error) != WIRE_OK)
        return error->status;
    result = nng_tls_config_ca_chain(config, pem, NULL);
    if (result == 0)
        result = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    wire_file_free(pem);
    if (result == 0)
        return WIRE_OK;
    (void)snprintf(what, sizeof what, "tls_ca \"%s\"", wire_quote(shown, sizeof shown, path));
    return refuse(error, what, result);
}

static enum wire_status use_certificate(nng_tls_config *config, const struct wire_tls *tls, const char *cert,
                                        const char *key, struct wire_error *error)
{
    char what[300], shown_cert[120], shown_key[120];
    int result = nng_tls_config_own_cert(config, cert, key, NULL);

    (void)wire_quote(shown_cert, sizeof shown_cert, tls->cert);
    (void)wire_quote(shown_key, sizeof shown_key, tls->key);
    (void)snprintf(what, sizeof what, "tls_cert \"%s\" with its key \"%s\"", shown_cert, shown_key);
    if (result != 0)
        return refuse(error, what, result);
    if (!wire_certificate_fits(cert, key))
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "tls_key \"%s\" is not the key of the certificate \"%s\"", shown_key,
                              shown_cert);
    return WIRE_OK;
}

static enum wire_status fill_certificate(nng_tls_config *config, const struct wire_tls *tls,
                                         struct wire_error *error)
{
    char *cert, *key = NULL;
    enum wire_status status = wire_file_read("tls_cert", tls->cert, WIRE_MAX_PEM, &cert, error);

    if (status == WIRE_OK)
        status = wire_file_read("tls_key", tls->key, WIRE_MAX_PEM, &key, error);
    if (status == WIRE_OK)
        status = use_certificate(config, tls, cert, key, error);
    wire_file_free(cert);
    wire_file_free(key);
    return status;
}

enum wire_status wire_tls_fill(nng_tls_config *config, const struct wire_tls *tls, struct wire_error *error)
{
    if ((tls->cert == NULL) != (tls->key == NULL))
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              tls->cert != NULL ? "tls_cert is set without its key"
                                                : "tls_key is set without its certificate");
    if (tls->ca != NULL && fill_ca(config, tls->ca, error) != WIRE_OK)
        return error->status;
    if (tls->cert != NULL && fill_certificate(config, tls, error) != WIRE_OK)
        return error->status;
    if (tls->server_name != NULL && nng_tls_config_server_name(config, tls->server_name) != 0)
        return refuse(error, "tls_server_name", NNG_ENOMEM);
    return WIRE_OK;
}
