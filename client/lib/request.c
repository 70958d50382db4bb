#include <string.h>

#include "internal.h"
#include "wire/limits.h"

void tilery_compute_request_init(struct tilery_compute_request *request)
{
    *request = (struct tilery_compute_request){.width = 800,
                                               .height = 600,
                                               .tile_w = 64,
                                               .tile_h = 64,
                                               .max_iter = 256,
                                               .time_limit_ms = 2000,
                                               .num_threads = 4,
                                               .mode = TILERY_MODE_CONCURRENT,
                                               .schedule = TILERY_SCHEDULE_STATIC,
                                               .kernel = NULL,
                                               .region = {-2.5, -1.0, 3.5, 2.0}};
}

static uint64_t *member(struct tilery_compute_request *request, enum wire_field field)
{
    switch (field) {
    case WIRE_WIDTH:
        return &request->width;
    case WIRE_HEIGHT:
        return &request->height;
    case WIRE_TILE_W:
        return &request->tile_w;
    case WIRE_TILE_H:
        return &request->tile_h;
    case WIRE_MAX_ITER:
        return &request->max_iter;
    case WIRE_TIME_LIMIT_MS:
        return &request->time_limit_ms;
    case WIRE_NUM_THREADS:
        return &request->num_threads;
    case WIRE_FIRST_TASK:
        return &request->first_task;
    case WIRE_TASK_COUNT:
        return &request->task_count;
    case WIRE_FIELDS:
        break;
    }
    return NULL;
}

enum tilery_status tilery_compute_request_set(struct tilery_compute_request *request, const char *field,
                                              const char *value, struct tilery_error *error)
{
    struct wire_error why;
    char shown[48];

    for (enum wire_field f = 0; f < WIRE_FIELDS; f++) {
        uint64_t number;

        if (strcmp(field, wire_field_name(f)) != 0)
            continue;
        if (wire_field_parse(f, value, &number, &why) != WIRE_OK)
            return call_error(error, &why);
        *member(request, f) = number;
        return TILERY_OK;
    }
    wire_error_set(&why, WIRE_NOT_FOUND, "there is no field \"%s\"", wire_quote(shown, sizeof shown, field));
    return call_error(error, &why);
}
