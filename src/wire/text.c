/* The encoding: https://protobuf.dev/programming-guides/encoding/ */
#include "wire/text.h"

#include <stdbool.h>
#include <string.h>

#include "wire/varint.h"

enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH_DELIMITED = 2, FIXED32 = 5 };

struct reader {
    const uint8_t *at, *end;
};

static bool skip(struct reader *reader, uint64_t len)
{
    if (len > (uint64_t)(reader->end - reader->at))
        return false;
    reader->at += len;
    return true;
}

/* The bytes of one field, of which text is what a LENGTH_DELIMITED one holds. */
static bool read_field(struct reader *reader, unsigned *number, struct reader *text)
{
    uint64_t tag, value;

    *text = (struct reader){NULL, NULL};
    if (!wire_get_varint(&reader->at, reader->end, &tag))
        return false;
    *number = (unsigned)(tag >> 3);
    switch (tag & 7) {
    case VARINT:
        return wire_get_varint(&reader->at, reader->end, &value);
    case FIXED64:
        return skip(reader, 8);
    case FIXED32:
        return skip(reader, 4);
    case LENGTH_DELIMITED:
        if (!wire_get_varint(&reader->at, reader->end, &value))
            return false;
        text->at = reader->at;
        text->end = skip(reader, value) ? reader->at : NULL;
        return text->end != NULL;
    default:
        return false;
    }
}

/* The name of the first string that holds a NUL; NULL when none does. */
static const char *find_nul(const ProtobufCMessageDescriptor *type, struct reader reader)
{
    const char *found = NULL;
    struct reader text;
    unsigned number;

    while (found == NULL && read_field(&reader, &number, &text)) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, number);

        if (field == NULL || text.at == text.end)
            continue;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            found = find_nul(field->descriptor, text);
        else if (field->type == PROTOBUF_C_TYPE_STRING &&
                 memchr(text.at, '\0', (size_t)(text.end - text.at)) != NULL)
            found = field->name;
    }
    return found;
}

enum wire_status wire_text_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t len,
                                 struct wire_error *error)
{
    const char *name = len != 0 ? find_nul(type, (struct reader){bytes, bytes + len}) : NULL;

    if (name == NULL)
        return WIRE_OK;
    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s holds a NUL byte; text may hold none", name);
}
