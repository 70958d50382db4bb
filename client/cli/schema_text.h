#ifndef TILERY_CLI_SCHEMA_TEXT_H
#define TILERY_CLI_SCHEMA_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "google/protobuf/descriptor.pb-c.h"

#define DEEPEST 16 /* of a path: two steps a level, and no deeper than what unpacks */

typedef Google__Protobuf__FileDescriptorSet file_set;
typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;
typedef Google__Protobuf__MethodDescriptorProto method_proto;
typedef Google__Protobuf__SourceCodeInfo__Location location_proto;

/* The numbers of descriptor.proto's fields, which paths are made of. */
enum {
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_SYNTAX = 12,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
};

/* A name, which the server may have left out. */
static inline const char *given(const char *text)
{
    return text != NULL ? text : "";
}

/* Something in a file, by the path of SourceCodeInfo. */
struct place {
    const file_proto *file;
    int32_t path[DEEPEST];
    size_t depth;
    size_t base; /* of what stands at the margin */
};

struct place place_within(const struct place *place, int32_t field, size_t index);

/* Once for each file, before place_location. */
void place_sort(const file_proto *file);

/* NULL: nothing is known of it. */
const location_proto *place_location(const struct place *place);

/* Definitions as a .proto file has them; of a service the methods from first to last. What stands behind a
 * line's end comes after a tab, which put_aligned makes spaces of. */
void put_comment(FILE *out, int indent, const char *text);
void put_enum(FILE *out, const struct place *place, const enum_proto *of);
void put_message(FILE *out, const struct place *place, const message_proto *of);
void put_service(FILE *out, const struct place *place, const service_proto *of, size_t first, size_t last);

void put_aligned(FILE *out, const char *text);

#endif
