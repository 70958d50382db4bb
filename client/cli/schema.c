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
    const file_proto *file = place->file;
    size_t index = (size_t)place->path[1];
    const message_proto *message;

    if (place->path[0] == FILE_ENUM) {
        put_enum(out, place, file->enum_type[index]);
        return;
    }
    if (place->path[0] == FILE_SERVICE) {
        put_service(out, place, file->service[index], 0, SIZE_MAX);
        return;
    }
    message = file->message_type[index];
    for (size_t depth = 2; depth < place->depth; depth += 2) {
        index = (size_t)place->path[depth + 1];
        if (place->path[depth] == MESSAGE_ENUM) {
            put_enum(out, place, message->enum_type[index]);
            return;
        }
        message = message->nested_type[index];
    }
    put_message(out, place, message);
}

static void add(struct definition *definition, const file_proto *file, int32_t field, size_t index,
                const char *name)
{
    struct place whole = {.file = file, .base = 2};
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

enum likeness { OTHER, WHOLE, BEGINNING };

/* Whether it is the name, or the name's beginning, up to a dot. */
static enum likeness compare(const char *own, const char *name, size_t len)
{
    size_t own_len = strlen(given(own));

    if (own_len == 0 || own_len > len || strncmp(own, name, own_len) != 0)
        return OTHER;
    return own_len == len ? WHOLE : name[own_len] == '.' ? BEGINNING : OTHER;
}

static bool is_found(struct definition *found, const struct place *outer, int32_t field, size_t index)
{
    found->place = place_within(outer, field, index);
    found->place.base = found->place.depth;
    return true;
}

/* What is defined within a message. */
static bool find_within(const message_proto *message, const struct place *place, const char *name, size_t len,
                        struct definition *found)
{
    for (size_t i = 0; i < message->n_enum_type; i++)
        if (compare(message->enum_type[i]->name, name, len) == WHOLE)
            return is_found(found, place, MESSAGE_ENUM, i);
    for (size_t i = 0; i < message->n_nested_type; i++) {
        const message_proto *nested = message->nested_type[i];
        struct place inner = place_within(place, MESSAGE_NESTED, i);
        enum likeness likeness = compare(nested->name, name, len);
        size_t own = strlen(given(nested->name)) + 1;

        if (likeness == WHOLE)
            return is_found(found, place, MESSAGE_NESTED, i);
        if (likeness == BEGINNING && find_within(nested, &inner, name + own, len - own, found))
            return true;
    }
    return false;
}

static bool find_in_file(const file_proto *file, struct definition *room, const char *name, size_t len,
                         struct definition *found)
{
    size_t count = list_file(file, room);

    if (compare(file->package, name, len) == BEGINNING) {
        size_t package = strlen(file->package) + 1;

        name += package;
        len -= package;
    }
    for (size_t i = 0; i < count; i++) {
        const struct place *place = &room[i].place;
        enum likeness likeness = compare(room[i].name, name, len);
        size_t own = strlen(room[i].name) + 1;

        *found = room[i];
        if (likeness == WHOLE)
            return true;
        if (likeness == BEGINNING && place->path[0] == FILE_MESSAGE &&
            find_within(file->message_type[place->path[1]], place, name + own, len - own, found))
            return true;
    }
    return false;
}

static bool find(const file_set *set, struct definition *room, const char *name, size_t len,
                 struct definition *found)
{
    for (size_t i = 0; i < set->n_file; i++)
        if (find_in_file(set->file[i], room, name, len, found))
            return true;
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

static bool put_named_file(FILE *out, const file_set *set, struct definition *room, const char *name)
{
    for (size_t i = 0; i < set->n_file; i++)
        if (strcmp(given(set->file[i]->name), name) == 0) {
            put_file(out, set->file[i], room);
            return true;
        }
    return false;
}

static bool put_named(FILE *out, const file_set *set, struct definition *room, const char *name)
{
    const char *method = strchr(name, '/');
    struct definition found;

    if (put_named_file(out, set, room, name))
        return true;
    name += *name == '.';
    if (method == NULL && find(set, room, name, strlen(name), &found)) {
        put_definition(out, &found);
        return true;
    }
    if (method == NULL)
        method = strrchr(name, '.');
    return method != NULL && find(set, room, name, (size_t)(method - name), &found) &&
           found.place.path[0] == FILE_SERVICE && put_named_method(out, set, room, method + 1, &found);
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
    enum schema_status status = room != NULL ? SCHEMA_OK : SCHEMA_NO_MEMORY;

    if (room != NULL && name != NULL && !put_named(out, set, room, name))
        status = SCHEMA_NO_SUCH_NAME;
    for (size_t i = 0; room != NULL && name == NULL && i < set->n_file; i++) {
        fprintf(out, "%s// ---- %s ----\n", i != 0 ? "\n" : "", given(set->file[i]->name));
        put_file(out, set->file[i], room);
    }
    free(room);
    return status;
}

/* What a terminal would heed, and what looks like something else there. */
static void drop_controls(char *text)
{
    for (; *text != '\0'; text++)
        if ((*text < ' ' || *text > '~') && *text != '\n' && *text != '\t')
            *text = '?';
}

static enum schema_status write_set(FILE *out, const file_set *set, const char *name)
{
    enum schema_status status;
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);

    if (file == NULL)
        return SCHEMA_NO_MEMORY;
    for (size_t i = 0; i < set->n_file; i++)
        place_sort(set->file[i]);
    status = put_set(file, set, name);
    if (fclose(file) != 0)
        status = SCHEMA_NO_MEMORY;
    if (status == SCHEMA_OK) {
        drop_controls(text);
        put_aligned(out, text);
    }
    free(text);
    return status;
}

enum schema_status schema_write(const unsigned char *bytes, size_t size, const char *name, FILE *out)
{
    const ProtobufCMessageDescriptor *type = &google__protobuf__file_descriptor_set__descriptor;
    enum schema_status status = SCHEMA_NO_MEMORY;
    struct wire_error error;
    file_set *set;

    /* protobuf-c goes as deep into messages as they nest, on the stack. */
    if (wire_check_fields(type, bytes, size, &error) != WIRE_OK)
        return SCHEMA_UNREADABLE;
    set = google__protobuf__file_descriptor_set__unpack(NULL, size, bytes);
    if (set != NULL)
        status = write_set(out, set, name);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    return status;
}
