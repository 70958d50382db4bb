/* The attempts of a call: its aio sends, receives and sleeps, each begun in the callback of the one before.
 */
#include "connection.h"
#include "wire/clock.h"

/* The server's own word on the deadline is given so long to arrive. */
#define DEADLINE_SLACK_MS 25
#define DAY_MS 86400000

/* What is left of the time, for nng; at most a day, so that it fits. */
static nng_duration time_left(uint64_t now, uint64_t deadline_ns, uint64_t slack_ms)
{
    uint64_t left;

    if (deadline_ns == UINT64_MAX)
        return NNG_DURATION_INFINITE;
    left = (deadline_ns > now ? (deadline_ns - now) / NS_PER_MS : 0) + slack_ms;
    return (nng_duration)(left < DAY_MS ? left : DAY_MS);
}

/* The mutex is held. */
static void sleep_until_woken(struct call *call, enum call_state state, nng_duration ms)
{
    call->state = state;
    nng_sleep_aio(ms, call->timer);
}

bool call_sleep(struct call *call, uint64_t ms)
{
    tilery_client *client = call->client;
    bool closing;

    pthread_mutex_lock(&client->mutex);
    closing = client->closing;
    if (!closing)
        sleep_until_woken(call, CALL_PAUSING, (nng_duration)(ms < DAY_MS ? ms : DAY_MS));
    pthread_mutex_unlock(&client->mutex);
    return !closing;
}

/* A pause that is a call of its own is over. */
static bool wake(struct call *call)
{
    call->reply = NULL;
    call->error = (struct wire_error){.status = WIRE_OK};
    if (nng_aio_result(call->timer) != 0)
        wire_error_set(&call->error, WIRE_CANCELLED, "the pause was ended");
    return true;
}

/* The mutex is held. */
static void start_receiving(struct call *call, uint64_t now)
{
    call->state = CALL_RECEIVING;
    nng_aio_set_timeout(call->aio, time_left(now, call->deadline_ns, DEADLINE_SLACK_MS));
    nng_ctx_recv(call->context->ctx, call->aio);
}

/* Where the connection is not busy, nng takes the frame before it returns: no thread need be woken to hear of
 * it. */
static bool send_at_once(struct call *call, nng_msg *frame)
{
    nng_aio_set_msg(call->send_now, frame);
    nng_ctx_send(call->context->ctx, call->send_now);
    nng_aio_wait(call->send_now);
    return nng_aio_result(call->send_now) == 0;
}

/* The mutex is held. Takes the frame where it succeeds. */
static enum wire_status send_frame(struct call *call, struct server *server, uint64_t now, nng_msg *frame,
                                   struct wire_error *error)
{
    uint64_t until_ns = wire_after(now, call->client->connect_timeout_ms);

    call->context = server_take_context(server);
    if (call->context == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    call->server = server;
    call->attempts++;
    call->attempt_ns = now;
    if (send_at_once(call, frame)) {
        start_receiving(call, now);
        return WIRE_OK;
    }
    call->state = CALL_SENDING;
    nng_aio_set_timeout(call->aio,
                        time_left(now, until_ns < call->deadline_ns ? until_ns : call->deadline_ns, 1));
    nng_aio_set_msg(call->aio, frame);
    nng_ctx_send(call->context->ctx, call->aio);
    return WIRE_OK;
}

/* The mutex is held. Whether it is worth waiting for a connection; the call's time is looked at elsewhere. */
static bool may_connect(const struct call *call, uint64_t now)
{
    return call->wait_for_ready ||
           (call->attempts == 0 && !client_settled(call->client) && now < call->connect_ns);
}

/* The mutex is held. Gives no server, and OK, when it is worth waiting for a connection. */
static enum wire_status choose(struct call *call, uint64_t now, struct server **out, struct wire_error *error)
{
    tilery_client *client = call->client;

    *out = NULL;
    if (client->closing)
        return wire_error_set(error, WIRE_CANCELLED, "the client is closed");
    if (call->cancelled)
        return wire_error_set(error, WIRE_CANCELLED, "the call was cancelled");
    if (call->only == NULL)
        *out = client_pick(client, call->server, now);
    else if (call->only->connected)
        *out = call->only;
    if (*out != NULL)
        return WIRE_OK;
    if (may_connect(call, now))
        return WIRE_OK;
    call->attempts += call->attempts != 0; /* a server was there and is not any more: so much for this one */
    return client_explain(client, call->only, error);
}

enum wire_status call_advance(struct call *call, struct wire_error *error)
{
    tilery_client *client = call->client;
    struct server *server;
    uint64_t now = wire_now_ns();
    enum wire_status status;
    nng_msg *frame;

    if (call_make_frame(call, now, &frame, error) != WIRE_OK)
        return error->status;
    pthread_mutex_lock(&client->mutex);
    status = choose(call, now, &server, error);
    if (server != NULL)
        status = send_frame(call, server, now, frame, error);
    else if (status == WIRE_OK)
        sleep_until_woken(call, CALL_WAITING, time_left(now, call->connect_ns, 1));
    pthread_mutex_unlock(&client->mutex);
    if (server == NULL || status != WIRE_OK)
        nng_msg_free(frame);
    return status;
}

/* The mutex is held. The attempt, if there was one, is over. */
static void give_back_context(struct call *call)
{
    if (call->context != NULL)
        server_give_back(call->server, call->context);
    call->context = NULL;
}

/* The mutex is held, and let go meanwhile. */
static void tell(const struct call *call, enum wire_status status, bool again, uint64_t pause_ms)
{
    const struct server *server = call->server != NULL ? call->server : call->only;
    tilery_client *client = call->client;
    struct tilery_attempt attempt;

    if (client->on_attempt == NULL || (call->attempts == 0 && !call->tell))
        return;
    attempt = (struct tilery_attempt){.method = call->method,
                                      .server = server != NULL ? server->url : NULL,
                                      .number = call->attempts,
                                      .ns = call->attempts != 0 ? wire_now_ns() - call->attempt_ns : 0,
                                      .status = (enum tilery_status)status,
                                      .again = again,
                                      .pause_ms = pause_ms};
    pthread_mutex_unlock(&client->mutex);
    client->on_attempt(client->on_attempt_arg, &attempt);
    pthread_mutex_lock(&client->mutex);
}

enum wire_status call_set_out(struct call *call, struct wire_error *error)
{
    if (call_advance(call, error) == WIRE_OK)
        return WIRE_OK;
    pthread_mutex_lock(&call->client->mutex);
    tell(call, error->status, false, 0);
    pthread_mutex_unlock(&call->client->mutex);
    return error->status;
}

/* An attempt is over, or could not be made: pauses before the next one, or true: that is the call's end.
 * Takes the reply. */
static bool conclude(struct call *call, nng_msg *reply, struct wire_error *error)
{
    tilery_client *client = call->client;
    uint64_t pause_ms;
    bool again, cancelled;

    pthread_mutex_lock(&client->mutex);
    if (reply != NULL && nng_msg_get_pipe(reply).id == call->server->pipe.id)
        call->server->heard = true;
    if (call->retry && error->status == WIRE_OK)
        server_trust(call->server);
    give_back_context(call);
    if (!call->one_id || (error->status == WIRE_ALREADY_EXISTS && call->attempts + 1 >= client->max_attempts))
        call->own_id[0] = '\0';
    again = call_may_retry(call, error, &pause_ms);
    tell(call, error->status, again, pause_ms);
    again = again && !client->closing && !call->cancelled;
    if (again)
        sleep_until_woken(call, CALL_PAUSING, (nng_duration)pause_ms);
    cancelled = call->cancelled && error->status != WIRE_OK;
    pthread_mutex_unlock(&client->mutex);
    if ((again || cancelled) && reply != NULL) {
        nng_msg_free(reply);
        reply = NULL;
    }
    if (cancelled)
        wire_error_set(error, WIRE_CANCELLED, "the call was cancelled");
    if (again)
        return false;
    call->reply = reply;
    call->error = *error;
    return true;
}

static bool on_reply(struct call *call, nng_msg *reply)
{
    struct wire_error error = {.status = WIRE_OK};

    call_read_failure(reply, &error);
    if (error.status == WIRE_UNAVAILABLE)
        server_avoid(call->server);
    return conclude(call, reply, &error);
}

/* ---- When nng is done ---- */

/* nng 1.5.2 crashes when a receive is cancelled whose send has not ended: so one follows the other. */
static bool on_sent(struct call *call)
{
    tilery_client *client = call->client;
    bool closing;

    pthread_mutex_lock(&client->mutex);
    closing = client->closing;
    if (!closing)
        start_receiving(call, wire_now_ns());
    pthread_mutex_unlock(&client->mutex);
    return !closing;
}

static bool is_closing(tilery_client *client)
{
    bool closing;

    pthread_mutex_lock(&client->mutex);
    closing = client->closing;
    pthread_mutex_unlock(&client->mutex);
    return closing;
}

static bool on_failure(struct call *call, int result)
{
    struct wire_error error;

    if (result == NNG_ETIMEDOUT)
        server_avoid(call->server); /* not even its word on the deadline came */
    if (result == NNG_ETIMEDOUT && wire_now_ns() >= call->deadline_ns) {
        call_out_of_time(call, &error);
    } else if (is_closing(call->client)) {
        wire_error_set(&error, WIRE_CANCELLED, "the client was closed");
    } else if (result == NNG_ENOMEM) {
        wire_error_set(&error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    } else if (result == NNG_ETIMEDOUT) {
        wire_error_set(&error, WIRE_UNAVAILABLE, "%s takes no request", call_peer(call));
    } else {
        wire_error_set(&error, WIRE_UNAVAILABLE, "the connection to %s was lost before the reply: %s",
                       call_peer(call), nng_strerror(result == NNG_ECLOSED ? NNG_ECONNRESET : result));
        call->lost = true;
    }
    return conclude(call, NULL, &error);
}

/* What nng kept for the next connection was never sent: a call that waits for one goes on waiting. */
static bool waits_on(struct call *call, int result)
{
    tilery_client *client = call->client;
    bool on;

    if (call->state != CALL_SENDING || result != NNG_ECLOSED || !call->wait_for_ready)
        return false;
    pthread_mutex_lock(&client->mutex);
    on = !client->closing && !call->cancelled;
    if (on) {
        give_back_context(call);
        call->attempts--;
    }
    pthread_mutex_unlock(&client->mutex);
    return on;
}

static bool advance_or_conclude(struct call *call)
{
    struct wire_error error;

    return call_advance(call, &error) != WIRE_OK && conclude(call, NULL, &error);
}

static bool on_sent_or_received(struct call *call)
{
    int result = nng_aio_result(call->aio);
    nng_msg *msg = nng_aio_get_msg(call->aio);

    nng_aio_set_msg(call->aio, NULL);
    if (call->state == CALL_RECEIVING)
        return result == 0 ? on_reply(call, msg) : on_failure(call, result);
    if (result == 0 && on_sent(call))
        return false;
    if (result != 0 && msg != NULL)
        nng_msg_free(msg);
    if (waits_on(call, result))
        return advance_or_conclude(call);
    return on_failure(call, result != 0 ? result : NNG_ECANCELED);
}

static bool is_asleep(const struct call *call)
{
    return call->state == CALL_WAITING || call->state == CALL_PAUSING;
}

nng_aio *call_pending(const struct call *call)
{
    return is_asleep(call) ? call->timer : call->aio;
}

bool call_go_on(struct call *call)
{
    if (!is_asleep(call))
        return on_sent_or_received(call);
    if (call->method == NULL)
        return wake(call);
    return advance_or_conclude(call);
}

void client_wake_calls(tilery_client *client)
{
    for (struct call *call = client->active; call != NULL; call = call->next)
        if (call->state == CALL_WAITING)
            nng_aio_cancel(call->timer);
}

void client_lose_calls(const struct server *server)
{
    for (struct call *call = server->client->active; call != NULL; call = call->next)
        if (call->state == CALL_SENDING && call->server == server && call->context != NULL)
            context_end(call->context);
}

void client_end_calls(tilery_client *client)
{
    for (struct call *call = client->active; call != NULL; call = call->next)
        if (call->context != NULL)
            context_end(call->context);
        else if (is_asleep(call))
            nng_aio_cancel(call->timer);
}
