/* What a request waits for: room for its answer, and a call of libtilery. */
#include <inttypes.h>
#include <stdio.h>

#include "internal.h"
#include "wire/limits.h"

/* What one picture, or one answer with its counts, may always take. */
#define ALLOWED_BYTES (UINT64_C(64) << 20)

void bridge_called(struct exchange *exchange, const struct tilery_error *error)
{
    peer_called(exchange->bridge->watch, exchange->peer);
    if (error != NULL)
        exchange->error = *error;
    exchange->failed = error != NULL;
    exchange->phase = EXCHANGE_CALLED;
    MHD_resume_connection(exchange->connection);
}

void bridge_suspend(struct exchange *exchange, bridge_answer_fn *answer)
{
    exchange->answer = answer;
    exchange->phase = EXCHANGE_WAITING;
    MHD_suspend_connection(exchange->connection);
}

struct tilery_call_options bridge_stream_options(const struct exchange *exchange)
{
    return (struct tilery_call_options){.open_timeout_ms = exchange->bridge->options.backend_timeout_ms,
                                        .request_id = exchange->call_id,
                                        .traceparent = exchange->traceparent};
}

struct tilery_call_options bridge_call_options(const struct exchange *exchange)
{
    struct tilery_call_options options = bridge_stream_options(exchange);
    uint64_t limit_ms = exchange->request.time_limit_ms, most_ms = wire_field_max(WIRE_TIME_LIMIT_MS);

    /* The server refuses more than the most. */
    options.timeout_ms = (limit_ms < most_ms ? limit_ms : most_ms) + options.open_timeout_ms;
    return options;
}

bool bridge_reserve(struct exchange *exchange, uint64_t share)
{
    struct budget *budget = &exchange->bridge->budget;
    struct tilery_error *error = &exchange->error;

    if (exchange->late) {
        *error = (struct tilery_error){.status = TILERY_UNAVAILABLE, .message = BRIDGE_DRAINS};
        return false;
    }
    if (runs_take(exchange->bridge->runs, share)) {
        exchange->budget_share = share;
        return true;
    }
    error->status = TILERY_RESOURCE_EXHAUSTED;
    error->retry_after_ms = BRIDGE_RETRY_AFTER_MS;
    (void)snprintf(error->message, sizeof error->message,
                   "the answer may take %" PRIu64 " bytes, and %" PRIu64 " of %" PRIu64
                   " are taken by others; try again",
                   share, (uint64_t)atomic_load(&budget->held), budget->limit);
    return false;
}

bool bridge_reserve_within(struct exchange *exchange, uint64_t bytes, const char *subject)
{
    uint64_t limit = exchange->bridge->budget.limit;

    if (limit < ALLOWED_BYTES)
        limit = ALLOWED_BYTES;
    if (bytes <= limit)
        return bridge_reserve(exchange, budget_share(bytes));
    exchange->error = (struct tilery_error){.status = TILERY_INVALID_ARGUMENT};
    (void)snprintf(exchange->error.message, sizeof exchange->error.message,
                   "%s takes %" PRIu64 " bytes here; at most %" PRIu64 " are allowed", subject, bytes, limit);
    return false;
}

void bridge_let_go(struct exchange *exchange)
{
    tilery_result_free(exchange->result);
    exchange->result = NULL;
    bridge_gather_free(exchange->gather);
    exchange->gather = NULL;
    budget_change(&exchange->bridge->budget, exchange->budget_share, 0);
    exchange->budget_share = 0;
}
