/* Health: as documented, and as orchestrators ask. */
#include <stdio.h>

#include "internal.h"

static void checked(void *arg, const struct tilery_error *error)
{
    bridge_called(arg, error);
}

typedef enum tilery_status check_fn(tilery_client *client, const struct tilery_call_options *options,
                                    tilery_health_fn *done, void *arg, struct tilery_error *error);

static enum MHD_Result check(struct exchange *exchange, check_fn *ask, bridge_answer_fn *answer)
{
    const struct tilery_call_options quick = {.timeout_ms = BRIDGE_CHECK_TIMEOUT_MS,
                                              .traceparent = exchange->traceparent};
    struct tilery_error error;

    bridge_suspend(exchange, answer);
    if (ask(exchange->bridge->options.client, &quick, checked, exchange, &error) != TILERY_OK)
        bridge_called(exchange, &error);
    return MHD_YES;
}

static enum MHD_Result answer_health(struct exchange *exchange)
{
    return bridge_send_health(exchange, !exchange->failed,
                              exchange->failed ? exchange->error.message : "The Tilery server is serving");
}

enum MHD_Result bridge_health(struct exchange *exchange)
{
    if (exchange->bridge->draining)
        return bridge_send_health(exchange, false, BRIDGE_DRAINS);
    return check(exchange, tilery_health_async, answer_health);
}

enum MHD_Result bridge_alive(struct exchange *exchange)
{
    return bridge_send_text(exchange, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result answer_ready(struct exchange *exchange)
{
    char text[sizeof exchange->error.message + 2];

    if (!exchange->failed)
        return bridge_send_text(exchange, MHD_HTTP_OK, "ready\n");
    runs_tell_whose_token(&exchange->error);
    (void)snprintf(text, sizeof text, "%s\n", exchange->error.message);
    return bridge_send_text(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

enum MHD_Result bridge_ready(struct exchange *exchange)
{
    if (exchange->bridge->draining)
        return bridge_send_text(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, BRIDGE_DRAINS "\n");
    return check(exchange, tilery_ready_async, answer_ready);
}
