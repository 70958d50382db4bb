#ifndef TILERY_CLI_SCHEMA_H
#define TILERY_CLI_SCHEMA_H

#include <stddef.h>
#include <stdio.h>

enum schema_status {
    SCHEMA_OK = 0,
    SCHEMA_UNREADABLE,   /* it is no FileDescriptorSet, or there is no memory for it */
    SCHEMA_NO_SUCH_NAME, /* nothing is written then */
};

/*
 * Writes a FileDescriptorSet as the .proto files have it, with their comments where it has them: all of it,
 * or what has that name, which may lack the package: a message, an enum, a service, or a method, as in
 * "TileCompute/Compute", with its two messages. NULL is all.
 */
enum schema_status schema_write(const unsigned char *set, size_t size, const char *name, FILE *out);

#endif
