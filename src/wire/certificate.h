#ifndef TILERY_WIRE_CERTIFICATE_H
#define TILERY_WIRE_CERTIFICATE_H

#include <stdbool.h>

/* What nng does not look at in a certificate of one's own, asked of the TLS library that nng uses. The texts
 * are PEM; of several certificates the first one counts. */

#define WIRE_MAX_PEM (1u << 20)

/* Whether the key is the certificate's. */
bool wire_certificate_fits(const char *cert, const char *key);

/* Why the certificate is not good today: "has expired" or "is not valid yet"; NULL where it is, or is none.
 */
const char *wire_certificate_lapse(const char *cert);

#endif
