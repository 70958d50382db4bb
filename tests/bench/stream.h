#ifndef TILERY_TESTS_BENCH_STREAM_H
#define TILERY_TESTS_BENCH_STREAM_H

#include <jansson.h>

#include "settings.h"

/* A stream of a 4096 x 4096 image against the same run without its data, on one client, in turn. Where says
 * how the server at the URL is reached. */
void stream_bench(const char *url, const char *where, const struct settings *settings, json_t *out);

#endif
