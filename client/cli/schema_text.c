/* What a schema defines, as text. */
#include "schema_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 2

#define WIDEST 100 /* what stands behind a longer line is not aligned */

enum { MESSAGE_FIELD = 2, ENUM_VALUE = 2, SERVICE_METHOD = 2 };

struct place place_within(const struct place *place, int32_t field, size_t index)
{
    struct place inner = *place;

    if (inner.depth + 2 <= DEEPEST) {
        inner.path[inner.depth++] = field;
        inner.path[inner.depth++] = (int32_t)index;
    }
    return inner;
}

static int compare(const location_proto *location, const int32_t *path, size_t depth)
{
    for (size_t i = 0; i < location->n_path && i < depth; i++)
        if (location->path[i] != path[i])
            return location->path[i] < path[i] ? -1 : 1;
    return (location->n_path > depth) - (location->n_path < depth);
}

static int by_path(const void *a, const void *b)
{
    const location_proto *second = *(const location_proto *const *)b;

    return compare(*(const location_proto *const *)a, second->path, second->n_path);
}

void place_sort(const file_proto *file)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;

    if (info != NULL && info->n_location != 0)
        qsort(info->location, info->n_location, sizeof *info->location, by_path);
}

const location_proto *place_location(const struct place *place)
{
    const Google__Protobuf__SourceCodeInfo *info = place->file->source_code_info;
    size_t first = 0, end = info != NULL ? info->n_location : 0;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = compare(info->location[middle], place->path, place->depth);

        if (order == 0)
            return info->location[middle];
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

/* ---- Comments ---- */

static int indent_of(const struct place *place)
{
    return INDENT * (int)((place->depth - place->base) / 2);
}

void put_comment(FILE *out, int indent, const char *text)
{
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n");

        fprintf(out, "%*s//%.*s\n", indent, "", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void put_leading(FILE *out, const struct place *place)
{
    const location_proto *location = place_location(place);

    if (location != NULL)
        put_comment(out, indent_of(place), location->leading_comments);
}

/* What stands behind the tabs is aligned in the end. */
static void end_line(FILE *out, const struct place *place)
{
    const location_proto *location = place_location(place);
    const char *text = location != NULL ? location->trailing_comments : NULL;

    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n");

        fprintf(out, "\t//%.*s", (int)len, text);
        text += len + (text[len] == '\n');
        if (*text != '\0')
            putc('\n', out);
    }
    putc('\n', out);
}

/* Lines up to one that begins or ends a block, or to an empty one. Returns their end, and how long the
 * longest is that something stands behind. */
static const char *find_block(const char *line, size_t *longest)
{
    *longest = 0;
    while (*line != '\0') {
        size_t len = strcspn(line, "\n"), code = strcspn(line, "\t\n");

        if (code < len && code > *longest && code <= WIDEST)
            *longest = code;
        line += len + (line[len] == '\n');
        if (code == 0 ? len == 0 : strchr("{}", line[-2]) != NULL)
            break;
    }
    return line;
}

void put_aligned(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t longest;
        const char *end = find_block(text, &longest);

        while (text < end) {
            size_t len = strcspn(text, "\n"), code = strcspn(text, "\t\n");

            fprintf(out, "%.*s", (int)code, text);
            if (code < len)
                fprintf(out, "%*s%.*s", (code < longest ? (int)(longest - code) : 0) + INDENT, "",
                        (int)(len - code - 1), text + code + 1);
            putc('\n', out);
            text += len + 1;
        }
    }
}

/* ---- Types ---- */

/* ".tilery.v1.Code" as it is written in a file of tilery.v1: "Code". */
static const char *local_name(const file_proto *file, const char *name)
{
    size_t len = file->package != NULL ? strlen(file->package) : 0;

    if (name == NULL || *name != '.')
        return name != NULL ? name : "";
    name++;
    return len != 0 && strncmp(name, file->package, len) == 0 && name[len] == '.' ? name + len + 1 : name;
}

static const char *type_name(const file_proto *file, const field_proto *field)
{
    /* In the order of their numbers, from 1 on. */
    static const char *const names[] = {"double",  "float", "int64",    "uint64",   "int32",  "fixed64",
                                        "fixed32", "bool",  "string",   "group",    "",       "bytes",
                                        "uint32",  "",      "sfixed32", "sfixed64", "sint32", "sint64"};
    size_t index = (size_t)field->type - 1;

    if (field->type_name != NULL)
        return local_name(file, field->type_name);
    return index < sizeof names / sizeof *names ? names[index] : "";
}

static const char *label_name(const file_proto *file, const field_proto *field)
{
    if (field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
        return "repeated ";
    if (field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED)
        return "required ";
    return file->syntax != NULL && strcmp(file->syntax, "proto3") == 0 ? "" : "optional ";
}

static void put_options(FILE *out, const field_proto *field)
{
    bool is_text = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
    const char *quote = is_text ? "\"" : "";

    if (field->default_value != NULL)
        fprintf(out, " [default = %s%s%s]", quote, field->default_value, quote);
    else if (field->options != NULL && field->options->has_packed)
        fprintf(out, " [packed = %s]", field->options->packed ? "true" : "false");
}

/* ---- Definitions ---- */

static void put_field(FILE *out, const struct place *place, const field_proto *field)
{
    put_leading(out, place);
    fprintf(out, "%*s%s%s %s = %" PRId32, indent_of(place), "", label_name(place->file, field),
            type_name(place->file, field), given(field->name), field->number);
    put_options(out, field);
    putc(';', out);
    end_line(out, place);
}

static void open_block(FILE *out, const struct place *place, const char *kind, const char *name)
{
    put_leading(out, place);
    fprintf(out, "%*s%s %s {", indent_of(place), "", kind, given(name));
    end_line(out, place);
}

static void close_block(FILE *out, const struct place *place)
{
    fprintf(out, "%*s}\n", indent_of(place), "");
}

void put_enum(FILE *out, const struct place *place, const enum_proto *of)
{
    open_block(out, place, "enum", of->name);
    for (size_t i = 0; i < of->n_value; i++) {
        struct place value = place_within(place, ENUM_VALUE, i);

        put_leading(out, &value);
        fprintf(out, "%*s%s = %" PRId32 ";", indent_of(&value), "", given(of->value[i]->name),
                of->value[i]->number);
        end_line(out, &value);
    }
    close_block(out, place);
}

void put_message(FILE *out, const struct place *place, const message_proto *of)
{
    if (of->n_field + of->n_nested_type + of->n_enum_type == 0) {
        put_leading(out, place);
        fprintf(out, "%*smessage %s {}", indent_of(place), "", given(of->name));
        end_line(out, place);
        return;
    }
    open_block(out, place, "message", of->name);
    for (size_t i = 0; i < of->n_enum_type; i++) {
        struct place inner = place_within(place, MESSAGE_ENUM, i);

        put_enum(out, &inner, of->enum_type[i]);
    }
    for (size_t i = 0; i < of->n_nested_type; i++) {
        struct place inner = place_within(place, MESSAGE_NESTED, i);

        put_message(out, &inner, of->nested_type[i]);
    }
    for (size_t i = 0; i < of->n_field; i++) {
        struct place inner = place_within(place, MESSAGE_FIELD, i);

        put_field(out, &inner, of->field[i]);
    }
    close_block(out, place);
}

static void put_method(FILE *out, const struct place *place, const method_proto *of)
{
    const file_proto *file = place->file;

    put_leading(out, place);
    fprintf(out, "%*srpc %s(%s%s) returns (%s%s);", indent_of(place), "", given(of->name),
            of->client_streaming ? "stream " : "", local_name(file, of->input_type),
            of->server_streaming ? "stream " : "", local_name(file, of->output_type));
    end_line(out, place);
}

void put_service(FILE *out, const struct place *place, const service_proto *of, size_t first, size_t last)
{
    open_block(out, place, "service", of->name);
    for (size_t i = first; i <= last && i < of->n_method; i++) {
        struct place method = place_within(place, SERVICE_METHOD, i);

        put_method(out, &method, of->method[i]);
    }
    close_block(out, place);
}
