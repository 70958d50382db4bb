#ifndef TILERY_WIRE_OPTION_H
#define TILERY_WIRE_OPTION_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

/* The value of --name, for argp's parser of a main: a whole number from min to max. Any other text is an
 * argp_error. */
uint32_t option_number(const struct argp_state *state, const char *name, const char *text, uint32_t min,
                       uint32_t max);

/* For an argument that is no option, where none is taken: an argp_error that names it. */
void option_no_argument(const struct argp_state *state, const char *argument);

/* argp_parse without flags. Where it ends the process behind --help, --usage or --version and these could not
 * be written, it says so, and the exit status is DATA_LOSS's. */
void option_parse(const struct argp *argp, int argc, char **argv, void *input);

/* A message that begins with the name of a field, as a library has it, begins here with the option's, where
 * prefix and the field's name are one of options: "tls_ca is not set" is "--backend-tls-ca is not set". Else,
 * and where it is of several fields, the message itself. */
const char *option_message(const struct argp_option *options, const char *prefix, const char *message,
                           char *room, size_t size);

#endif
