#include "wire/certificate.h"

#include <stddef.h>
#include <string.h>

#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_MAJOR < 3
#define WITH_RANDOM
#else
#include <sys/random.h>

#define WITH_RANDOM , draw, NULL

static int draw(void *arg, unsigned char *out, size_t size)
{
    (void)arg;
    return getrandom(out, size, 0) == (ssize_t)size ? 0 : MBEDTLS_ERR_PK_BAD_INPUT_DATA;
}
#endif

/* A PEM text is handed over with its NUL. */
static size_t size_of(const char *pem)
{
    return strlen(pem) + 1;
}

bool wire_certificate_fits(const char *cert, const char *key)
{
    mbedtls_x509_crt own;
    mbedtls_pk_context private_key;
    bool fits;

    mbedtls_x509_crt_init(&own);
    mbedtls_pk_init(&private_key);
    fits = mbedtls_x509_crt_parse(&own, (const unsigned char *)cert, size_of(cert)) == 0 &&
           mbedtls_pk_parse_key(&private_key, (const unsigned char *)key, size_of(key), NULL,
                                0 WITH_RANDOM) == 0 &&
           mbedtls_pk_check_pair(&own.pk, &private_key WITH_RANDOM) == 0;
    mbedtls_pk_free(&private_key);
    mbedtls_x509_crt_free(&own);
    return fits;
}

const char *wire_certificate_lapse(const char *cert)
{
    const char *lapse = NULL;
    mbedtls_x509_crt own;

    mbedtls_x509_crt_init(&own);
    if (mbedtls_x509_crt_parse(&own, (const unsigned char *)cert, size_of(cert)) == 0) {
        if (mbedtls_x509_time_is_past(&own.valid_to))
            lapse = "has expired";
        else if (mbedtls_x509_time_is_future(&own.valid_from))
            lapse = "is not valid yet";
    }
    mbedtls_x509_crt_free(&own);
    return lapse;
}
