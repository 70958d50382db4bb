#ifndef TILERY_CLI_SCHEMA_H
#define TILERY_CLI_SCHEMA_H

#include <stddef.h>
#include <stdio.h>

enum schema_status {
    SCHEMA_OK = 0,
    SCHEMA_UNREADABLE, /* it is no FileDescriptorSet */
    SCHEMA_NO_MEMORY,
    SCHEMA_NO_SUCH_NAME, /* nothing is written in any of these cases */
};

/*
 * Writes a FileDescriptorSet as .proto files, in ASCII, with their comments where it has them: all of it, or
 * what has that name: a file, a message, an enum, a service, or a method, as in "TileCompute/Compute", with
 * its two messages. The package may be left out. NULL is all.
 */
enum schema_status schema_write(const unsigned char *set, size_t size, const char *name, FILE *out);

#endif
