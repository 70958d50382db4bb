#ifndef TILERY_TESTS_FUZZ_H
#define TILERY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <protobuf-c/protobuf-c.h>

/*
 * A parser under attack. It is driven by libFuzzer (preset fuzz), and by a plain program that is one of the
 * tests: the seeds, and what random changes make of them.
 */

/* Feeds it the bytes; ends the program where a promise is broken. */
void fuzz_one(const uint8_t *bytes, size_t len);

#define FUZZ_SEED_BYTES 4096

/* Writes the seed of that number, of at most FUZZ_SEED_BYTES, and returns its size; 0 when there is none. */
size_t fuzz_seed(size_t number, uint8_t *out);

/* seeds.c: a ComputeRequest out of the tests' vectors; NULL when there is none of that number. It lives until
 * the next call. */
const ProtobufCMessage *seed_request(size_t number);

#define require(condition)                                                            \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

#endif
