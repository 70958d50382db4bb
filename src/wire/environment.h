#ifndef TILERY_WIRE_ENVIRONMENT_H
#define TILERY_WIRE_ENVIRONMENT_H

#include <argp.h>
#include <stdint.h>

/*
 * Options from the environment, for a main: a new argv with --name=value for each option that takes a value,
 * has a variable and is not on the command line. The variable of --max-queue is PREFIX_MAX_QUEUE; an empty
 * one counts as none. Those of the options named in lists, which ends with NULL, hold several values with
 * commas between.
 *
 * *argc is brought up to date. Ends with environment_free; NULL when there is no memory.
 */
char **environment_argv(const char *prefix, const struct argp_option *options, const char *const *lists,
                        int *argc, char **argv);
void environment_free(char **argv);

/* The value of an option --name, a whole number from min to max; ends the program with a usage error for any
 * other text. */
uint32_t environment_number(const struct argp_state *state, const char *name, const char *text, uint32_t min,
                            uint32_t max);

#endif
