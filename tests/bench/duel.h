#ifndef TILERY_TESTS_BENCH_DUEL_H
#define TILERY_TESTS_BENCH_DUEL_H

#include <jansson.h>
#include <stdbool.h>

#include "load.h"
#include "settings.h"

/*
 * Two targets under the same load, 1, 4, 16 and 64 clients, in turn, run after run, so that what else the
 * machine does meets both. Prints the medians over the runs, and of each run's ratio of the first target to
 * the second; appends the same to out. Where says how they are reached, "tcp".
 */
void duel(const struct target *first, const struct target *second, const char *where,
          const struct settings *settings, json_t *out);

/* Writes what duels have appended, and more, where it is wanted: see settings_write. */
bool duel_write(const struct settings *settings, const json_t *out);

#endif
