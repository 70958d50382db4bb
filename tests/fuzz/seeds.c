#include "fuzz.h"

#include <inttypes.h>

#include "compute.pb-c.h"

/* The file's first line is a heading. */
static int read_line(size_t number, uint64_t *width, uint64_t *height, uint64_t *max_iter)
{
    FILE *file = fopen(TILERY_REFERENCE_DIR "/kernel_vectors.csv", "r");
    char line[512];
    int fields = 0;

    require(file != NULL);
    for (size_t i = 0; i <= number + 1; i++)
        fields = fgets(line, sizeof line, file) != NULL
                     ? sscanf(line, "%" SCNu64 ",%" SCNu64 ",%" SCNu64, width, height, max_iter)
                     : 0;
    fclose(file);
    return fields == 3;
}

const ProtobufCMessage *seed_request(size_t number)
{
    static Tilery__V1__ComputeRequest request;
    static Tilery__V1__Region region;
    uint64_t width, height, max_iter;

    if (!read_line(number, &width, &height, &max_iter))
        return NULL;
    tilery__v1__compute_request__init(&request);
    tilery__v1__region__init(&region);
    request.has_width = request.has_height = request.has_max_iter = request.has_mode = 1;
    request.width = width;
    request.height = height;
    request.max_iter = max_iter;
    request.mode = number % 2 ? TILERY__V1__MODE__MODE_SEQUENTIAL : TILERY__V1__MODE__MODE_CONCURRENT;
    request.kernel = (char *)(uintptr_t)(number % 3 ? "scalar" : "auto");
    request.has_schedule = request.has_first_task = request.has_task_count = number % 4 == 0;
    request.schedule = TILERY__V1__SCHEDULE__SCHEDULE_STEALING;
    request.task_count = 1;
    region.has_re_min = region.has_re_span = 1;
    region.re_span = 0.5;
    request.region = number % 2 ? &region : NULL;
    return &request.base;
}
