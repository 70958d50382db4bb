/* A schema as text: what protoc made it of, back again. */
#include "schema.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "schema_text.h"
#include "wire/check.h"

/* ---- A file ---- */

struct definition {
    struct place place;
    const char *name;
    int32_t line; /* in its file; 0 where that is not known */
};

static void put_definition(FILE *out, const struct definition *definition)
{
    const struct place *place = &definition->place;
    size_t index = (size_t)place->path[1];

    switch (place->path[0]) {
    case FILE_MESSAGE:
        put_message(out, place, place->file->message_type[index]);
        break;
    case FILE_ENUM:
        put_enum(out, place, place->file->enum_type[index]);
        break;
    default:
        put_service(out, place, place->file->service[index], 0, SIZE_MAX);
    }
}

static void add(struct definition *definition, const file_proto *file, int32_t field, size_t index,
                const char *name)
{
    struct place whole = {.file = file};
    const location_proto *location;

    *definition = (struct definition){.place = place_within(&whole, field, index), .name = given(name)};
    location = place_location(&definition->place);
    if (location != NULL && location->n_span != 0)
        definition->line = location->span[0];
}

static int by_line(const void *a, const void *b)
{
    const struct definition *first = a, *second = b;

    return (first->line > second->line) - (first->line < second->line);
}

/* A file's, in their order; room for all. Returns how many there are. */
static size_t list_file(const file_proto *file, struct definition *out)
{
    size_t count = 0;

    for (size_t i = 0; i < file->n_enum_type; i++)
        add(&out[count++], file, FILE_ENUM, i, file->enum_type[i]->name);
    for (size_t i = 0; i < file->n_message_type; i++)
        add(&out[count++], file, FILE_MESSAGE, i, file->message_type[i]->name);
    for (size_t i = 0; i < file->n_service; i++)
        add(&out[count++], file, FILE_SERVICE, i, file->service[i]->name);
    if (file->source_code_info != NULL)
        qsort(out, count, sizeof *out, by_line);
    return count;
}

static void put_head(FILE *out, const file_proto *file)
{
    struct place syntax = {.file = file, .path = {FILE_SYNTAX}, .depth = 1};
    const location_proto *location = place_location(&syntax);

    fprintf(out, "// ---- %s ----\n", given(file->name));
    if (location != NULL)
        put_comment(out, 0, location->leading_comments);
    fprintf(out, "syntax = \"%s\";\n", file->syntax != NULL ? file->syntax : "proto2");
    if (file->package != NULL)
        fprintf(out, "package %s;\n", file->package);
    for (size_t i = 0; i < file->n_dependency; i++)
        fprintf(out, "%simport \"%s\";\n", i == 0 ? "\n" : "", file->dependency[i]);
}

static void put_file(FILE *out, const file_proto *file, struct definition *room)
{
    size_t count = list_file(file, room);

    put_head(out, file);
    for (size_t i = 0; i < count; i++) {
        putc('\n', out);
        put_definition(out, &room[i]);
    }
}

/* ---- What has a name ---- */

static bool is_named(const struct definition *definition, const char *name, size_t len)
{
    const char *package = definition->place.file->package;
    size_t before = package != NULL ? strlen(package) : 0;

    if (before != 0 && len > before && strncmp(name, package, before) == 0 && name[before] == '.') {
        name += before + 1;
        len -= before + 1;
    }
    return strlen(definition->name) == len && strncmp(definition->name, name, len) == 0;
}

static bool find(const file_set *set, struct definition *room, const char *name, size_t len,
                 struct definition *found)
{
    for (size_t i = 0; i < set->n_file; i++) {
        size_t count = list_file(set->file[i], room);

        for (size_t k = 0; k < count; k++)
            if (is_named(&room[k], name, len)) {
                *found = room[k];
                return true;
            }
    }
    return false;
}

/* A method's, which has a dot before its name. */
static void put_type(FILE *out, const file_set *set, struct definition *room, const char *name)
{
    struct definition found;

    if (name == NULL || *name != '.' || !find(set, room, name + 1, strlen(name + 1), &found))
        return;
    putc('\n', out);
    put_definition(out, &found);
}

static bool put_named_method(FILE *out, const file_set *set, struct definition *room, const char *name,
                             const struct definition *of)
{
    const service_proto *service = of->place.file->service[of->place.path[1]];

    for (size_t i = 0; i < service->n_method; i++) {
        if (strcmp(given(service->method[i]->name), name) != 0)
            continue;
        put_service(out, &of->place, service, i, i);
        put_type(out, set, room, service->method[i]->input_type);
        put_type(out, set, room, service->method[i]->output_type);
        return true;
    }
    return false;
}

static bool put_named(FILE *out, const file_set *set, struct definition *room, const char *name)
{
    size_t len = strcspn(name, "/");
    struct definition found;

    if (!find(set, room, name, len, &found))
        return false;
    if (name[len] == '/')
        return found.place.path[0] == FILE_SERVICE &&
               put_named_method(out, set, room, name + len + 1, &found);
    put_definition(out, &found);
    return true;
}

static size_t most_definitions(const file_set *set)
{
    size_t most = 0;

    for (size_t i = 0; i < set->n_file; i++) {
        size_t count = set->file[i]->n_message_type + set->file[i]->n_enum_type + set->file[i]->n_service;

        if (count > most)
            most = count;
    }
    return most;
}

static enum schema_status put_set(FILE *out, const file_set *set, const char *name)
{
    struct definition *room = calloc(most_definitions(set) + 1, sizeof *room);
    enum schema_status status = room != NULL ? SCHEMA_OK : SCHEMA_UNREADABLE;

    if (room != NULL && name != NULL && !put_named(out, set, room, name))
        status = SCHEMA_NO_SUCH_NAME;
    for (size_t i = 0; room != NULL && name == NULL && i < set->n_file; i++) {
        if (i != 0)
            putc('\n', out);
        put_file(out, set->file[i], room);
    }
    free(room);
    return status;
}

/* protobuf-c goes as deep into messages as they nest, on the stack. */
static file_set *unpack(const unsigned char *bytes, size_t size)
{
    struct wire_error error;

    if (wire_check_fields(&google__protobuf__file_descriptor_set__descriptor, bytes, size, &error) != WIRE_OK)
        return NULL;
    return google__protobuf__file_descriptor_set__unpack(NULL, size, bytes);
}

/* What a terminal would heed. */
static void drop_controls(char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\n' && *text != '\t') || *text == '\177')
            *text = '?';
}

enum schema_status schema_write(const unsigned char *bytes, size_t size, const char *name, FILE *out)
{
    file_set *set = unpack(bytes, size);
    enum schema_status status = SCHEMA_UNREADABLE;
    char *text = NULL;
    size_t len;
    FILE *file = set != NULL ? open_memstream(&text, &len) : NULL;

    if (file != NULL) {
        status = put_set(file, set, name);
        if (fclose(file) != 0)
            status = SCHEMA_UNREADABLE;
        if (status == SCHEMA_OK) {
            drop_controls(text);
            put_aligned(out, text);
        }
    }
    free(text);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    return status;
}
