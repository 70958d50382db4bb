#ifndef TILERY_TESTS_FAKE_H
#define TILERY_TESTS_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "wire/envelope.h"

/*
 * A server that answers as a test wants: nng's REP socket, and a thread that takes one request at a time.
 */
struct fake;

/* What becomes of a request. All zero is an empty message, with OK. */
struct fake_answer {
    enum wire_status status;
    const char *message;
    uint64_t retry_after_ms;
    const ProtobufCMessage *payload; /* it must hold until the next request */
    bool silent;                     /* there is no answer */
    bool cut;                        /* there is none, and the connection ends */
};

/* On the fake's thread. number counts the requests of that method, from 1 on. */
typedef struct fake_answer fake_answer_fn(void *arg, const struct wire_request *request, unsigned number);

/* Answers one method, or with NULL all but health, which is always good; other methods are UNIMPLEMENTED.
 * Ends with fake_stop. */
struct fake *fake_start(const char *method, fake_answer_fn *answer, void *arg);
struct fake *fake_start_at(const char *url, const char *method, fake_answer_fn *answer, void *arg);
void fake_stop(struct fake *fake);

const char *fake_url(const struct fake *fake);

/* What OpenStream is answered: a stream of that name, or "stream" for NULL. For one fake at a time. */
struct fake_answer fake_opened(const char *id, uint64_t tiles_planned, uint64_t lease_ms);

/* What NextTiles is answered: one tile, or none, from that cursor on; the image is a row of so many tiles of
 * 4 x 4 pixels. For one fake at a time. */
struct fake_answer fake_tiles(uint64_t cursor, unsigned count, uint64_t tiles_planned);

/* How many requests that it answers it has had, and of Health/Check, and how many connections. */
unsigned fake_requests(const struct fake *fake);
unsigned fake_checks(const struct fake *fake);
unsigned fake_connections(const struct fake *fake);

/* Returns when it has had so many requests of its method. */
void fake_wait(const struct fake *fake, unsigned requests);

#endif
