#ifndef TILERY_WIRE_FILE_H
#define TILERY_WIRE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/status.h"

/*
 * Reads a whole text file, of 1 to limit bytes. INVALID_ARGUMENT says what of it cannot be used, calling it
 * by the option it came from: `tls_key "/etc/key.pem": Permission denied`. *out, which ends with a NUL, ends
 * with wire_file_free.
 */
WIRE_MUST_USE enum wire_status wire_file_read(const char *option, const char *path, size_t limit, char **out,
                                              struct wire_error *error);

/* Wipes it first: it may be a secret. NULL is fine. */
void wire_file_free(char *text);

/* Whether others than its owner may read the file. Of one that is not this user's own, its group may: that is
 * how this user comes by it, as by a secret that Kubernetes mounts. */
bool wire_file_is_exposed(const char *path);

#endif
