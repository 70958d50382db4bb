/* When a call is tried again: which failures pass, and how long they are given. */
#include <stdlib.h>
#include <sys/random.h>

#include "connection.h"
#include "wire/clock.h"

/* The first pause is up to so long, each further one up to twice as long as the one before. */
#define BACKOFF_MS 50
#define BACKOFF_MAX_MS 2000
/* A server that wants more time than this is left to the caller. */
#define PAUSE_MAX_MS 10000
/* A reply that tells of a failure has no payload. */
#define FAILURE_BYTES 4096

void call_read_failure(const nng_msg *reply, struct wire_error *error)
{
    nng_msg *msg = (nng_msg *)(uintptr_t)reply; /* nng 1.5 knows no const */
    struct wire_arena arena;
    struct wire_reply head;

    error->status = WIRE_OK;
    if (nng_msg_len(msg) > FAILURE_BYTES)
        return;
    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    if (wire_reply_unpack(&arena, nng_msg_body(msg), nng_msg_len(msg), &head, error) == WIRE_OK) {
        error->status = head.status;
        error->retry_after_ms = head.retry_after_ms;
    }
    wire_arena_fini(&arena);
}

/* Full jitter: callers that were refused together come back apart. */
static uint64_t backoff_ms(unsigned attempts)
{
    uint64_t most = BACKOFF_MS;
    uint32_t random = 0;

    while (--attempts > 0 && most < BACKOFF_MAX_MS)
        most *= 2;
    (void)!getrandom(&random, sizeof random, 0);
    return random % ((most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS) + 1);
}

/* Whether the next attempt may fare better. An id that is in use may be this very call's, of an attempt whose
 * connection was lost: the server will notice. */
static bool passes(const struct call *call, enum wire_status status)
{
    return status == WIRE_UNAVAILABLE || status == WIRE_RESOURCE_EXHAUSTED ||
           (status == WIRE_ALREADY_EXISTS && call->lost);
}

bool call_may_retry(const struct call *call, const struct wire_error *error, uint64_t *pause_ms)
{
    const tilery_client *client = call->client;

    *pause_ms = 0;
    if (!call->retry || call->cancelled || client->closing || call->attempts == 0 ||
        call->attempts >= client->max_attempts || !passes(call, error->status))
        return false;
    if (call->attempts == 1 && call->only == NULL && client_other_serves(client, call->server))
        return true;
    if (client->no_pauses && !call->patient)
        return false;
    *pause_ms = backoff_ms(call->attempts);
    if (*pause_ms < error->retry_after_ms)
        *pause_ms = error->retry_after_ms;
    return *pause_ms <= PAUSE_MAX_MS &&
           (call->deadline_ns == UINT64_MAX || wire_after_ms(*pause_ms) < call->deadline_ns);
}
