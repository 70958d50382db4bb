#include <stdio.h>
#include <string.h>

#include "internal.h"

static const char *const names[] = {"width",    "height",        "tile_w",     "tile_h",
                                    "max_iter", "time_limit_ms", "num_threads"};

#define NAMES (sizeof names / sizeof *names)

struct reading {
    struct tilery_compute_request *request;
    struct tilery_error *error;
    bool seen[NAMES], failed;
};

static enum MHD_Result fail(struct reading *reading, const char *name, const char *what)
{
    reading->failed = true;
    reading->error->status = TILERY_INVALID_ARGUMENT;
    reading->error->retry_after_ms = 0;
    (void)snprintf(reading->error->message, sizeof reading->error->message, "%s %s", name, what);
    return MHD_NO;
}

static enum MHD_Result read_one(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                const char *value, size_t value_size)
{
    struct reading *reading = arg;
    size_t i = 0;

    (void)kind;
    while (i < NAMES && (strlen(names[i]) != key_size || memcmp(names[i], key, key_size) != 0))
        i++;
    if (i == NAMES ||
        (reading->request->mode == TILERY_MODE_SEQUENTIAL && strcmp(names[i], "num_threads") == 0))
        return MHD_YES;
    if (reading->seen[i])
        return fail(reading, names[i], "is given twice; it must be given at most once");
    reading->seen[i] = true;
    if (value != NULL && strlen(value) != value_size)
        return fail(reading, names[i], "holds a NUL byte; it must be a whole number");
    reading->failed = tilery_compute_request_set(reading->request, names[i], value != NULL ? value : "",
                                                 reading->error) != TILERY_OK;
    return reading->failed ? MHD_NO : MHD_YES;
}

enum tilery_status bridge_read_params(struct MHD_Connection *connection,
                                      struct tilery_compute_request *request, struct tilery_error *error)
{
    struct reading reading = {.request = request, .error = error};

    (void)MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, read_one, &reading);
    return reading.failed ? error->status : TILERY_OK;
}
