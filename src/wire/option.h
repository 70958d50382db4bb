#ifndef TILERY_WIRE_OPTION_H
#define TILERY_WIRE_OPTION_H

#include <argp.h>
#include <stdint.h>

/* The value of --name, for argp's parser of a main: a whole number from min to max. Any other text is an
 * argp_error. */
uint32_t option_number(const struct argp_state *state, const char *name, const char *text, uint32_t min,
                       uint32_t max);

#endif
