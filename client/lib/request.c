#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "wire/limits.h"

static const char *const schedules[] = {"static", "cyclic", "dynamic", "guided", "stealing"};

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

const char *tilery_schedule_name(enum tilery_schedule schedule)
{
    return (unsigned)schedule - 1 < sizeof schedules / sizeof *schedules ? schedules[schedule - 1] : "";
}

static enum wire_status bad_text(const char *field, const char *value, const char *allowed,
                                 struct wire_error *error)
{
    char shown[48];

    return wire_error_set(error, WIRE_INVALID_ARGUMENT, "%s is \"%s\"; it must be %s", field,
                          wire_quote(shown, sizeof shown, value), allowed);
}

static enum wire_status set_mode(struct tilery_compute_request *request, const char *value,
                                 struct wire_error *error)
{
    if (strcmp(value, "concurrent") == 0)
        request->mode = TILERY_MODE_CONCURRENT;
    else if (strcmp(value, "sequential") == 0)
        request->mode = TILERY_MODE_SEQUENTIAL;
    else
        return bad_text("mode", value, "concurrent or sequential", error);
    return WIRE_OK;
}

static enum wire_status set_schedule(struct tilery_compute_request *request, const char *value,
                                     struct wire_error *error)
{
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++)
        if (strcmp(value, schedules[i]) == 0) {
            request->schedule = (enum tilery_schedule)(i + 1);
            return WIRE_OK;
        }
    return bad_text("schedule", value, "static, cyclic, dynamic, guided or stealing", error);
}

/* In the "C" locale's notation, whatever the caller's locale. */
static bool read_reals(const char *text, double *out, size_t count)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    size_t i = 0;
    char *end;

    while (c != (locale_t)0 && i < count) {
        out[i] = strtod_l(text, &end, c);
        if (end == text || !isfinite(out[i]) || *end != (i + 1 < count ? ',' : '\0') || *text == ' ')
            break;
        text = end + 1;
        i++;
    }
    if (c != (locale_t)0)
        freelocale(c);
    return i == count;
}

static enum wire_status set_region(struct tilery_compute_request *request, const char *value,
                                   struct wire_error *error)
{
    double reals[4];

    if (!read_reals(value, reals, 4) || reals[2] <= 0 || reals[3] <= 0)
        return bad_text("region", value,
                        "re_min,im_min,re_span,im_span: four finite numbers, the spans above 0", error);
    request->region = (struct tilery_region){reals[0], reals[1], reals[2], reals[3]};
    return WIRE_OK;
}

static enum wire_status set_number(struct tilery_compute_request *request, const char *field,
                                   const char *value, struct wire_error *error)
{
    char shown[48];

    for (enum wire_field f = 0; f < WIRE_FIELDS; f++) {
        uint64_t number;

        if (strcmp(field, wire_field_name(f)) != 0)
            continue;
        if (wire_field_parse(f, value, &number, error) != WIRE_OK)
            return error->status;
        *member(request, f) = number;
        return WIRE_OK;
    }
    return wire_error_set(error, WIRE_NOT_FOUND, "there is no field \"%s\"",
                          wire_quote(shown, sizeof shown, field));
}

enum tilery_status tilery_compute_request_set(struct tilery_compute_request *request, const char *field,
                                              const char *value, struct tilery_error *error)
{
    struct wire_error why;
    enum wire_status status;

    if (strcmp(field, "kernel") == 0) {
        request->kernel = value;
        return TILERY_OK;
    }
    if (strcmp(field, "mode") == 0)
        status = set_mode(request, value, &why);
    else if (strcmp(field, "schedule") == 0)
        status = set_schedule(request, value, &why);
    else if (strcmp(field, "region") == 0)
        status = set_region(request, value, &why);
    else
        status = set_number(request, field, value, &why);
    return status == WIRE_OK ? TILERY_OK : call_error(error, &why);
}
