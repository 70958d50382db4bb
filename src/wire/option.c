#include "wire/option.h"

#include <errno.h>
#include <stdlib.h>

uint32_t option_number(const struct argp_state *state, const char *name, const char *text, uint32_t min,
                       uint32_t max)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max)
        argp_error(state, "--%s is \"%s\"; it must be a whole number from %u to %u", name, text, min, max);
    return (uint32_t)value;
}
