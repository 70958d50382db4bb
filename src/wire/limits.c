#include "wire/limits.h"

#include <inttypes.h>

static const struct {
    const char *name;
    uint64_t min, max;
} fields[WIRE_FIELDS] = {
    [WIRE_WIDTH] = {"width", 1, 65536},
    [WIRE_HEIGHT] = {"height", 1, 65536},
    [WIRE_TILE_W] = {"tile_w", 1, 65536},
    [WIRE_TILE_H] = {"tile_h", 1, 65536},
    [WIRE_MAX_ITER] = {"max_iter", 1, 65535},
    [WIRE_TIME_LIMIT_MS] = {"time_limit_ms", 0, 600000},
    [WIRE_NUM_THREADS] = {"num_threads", 1, 256},
    [WIRE_FIRST_TASK] = {"first_task", 0, WIRE_MAX_TILES - 1},
    [WIRE_TASK_COUNT] = {"task_count", 1, WIRE_MAX_TILES},
};

const char *wire_field_name(enum wire_field field)
{
    return fields[field].name;
}

uint64_t wire_field_max(enum wire_field field)
{
    return fields[field].max;
}

enum wire_status wire_field_check(enum wire_field field, uint64_t value, struct wire_error *error)
{
    if (value >= fields[field].min && value <= fields[field].max)
        return WIRE_OK;
    return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                          "%s is %" PRIu64 "; it must be from %" PRIu64 " to %" PRIu64, fields[field].name,
                          value, fields[field].min, fields[field].max);
}

/* False when the text is not digits alone; a number too large for 64 bits reads as UINT64_MAX. */
static int read_digits(const char *text, uint64_t *value)
{
    uint64_t sum = 0;

    if (*text == '\0')
        return 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
            sum = UINT64_MAX / 10 + 1; /* overflows again at any further digit */
    }
    *value = sum;
    return 1;
}

enum wire_status wire_field_parse(enum wire_field field, const char *text, uint64_t *value,
                                  struct wire_error *error)
{
    char shown[48];

    if (read_digits(text, value) && *value >= fields[field].min && *value <= fields[field].max)
        return WIRE_OK;
    *value = 0;
    return wire_error_set(
        error, WIRE_INVALID_ARGUMENT, "%s is \"%s\"; it must be a whole number from %" PRIu64 " to %" PRIu64,
        fields[field].name, wire_quote(shown, sizeof shown, text), fields[field].min, fields[field].max);
}
