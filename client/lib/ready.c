/* Readiness: a health check, and then, as that wants no token, a word with the server that serves. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "wire/clock.h"

#include "server.pb-c.h"

struct readiness {
    tilery_client *client;
    tilery_health_fn *done;
    void *arg;
    uint64_t until_ns; /* UINT64_MAX: the caller gave no time */
    char *traceparent; /* or NULL */
};

static void free_readiness(struct readiness *readiness)
{
    free(readiness->traceparent);
    free(readiness);
}

static struct readiness *new_readiness(tilery_client *client, const struct tilery_call_options *options,
                                       tilery_health_fn *done, void *arg)
{
    struct readiness *readiness = calloc(1, sizeof *readiness);

    if (readiness == NULL)
        return NULL;
    *readiness = (struct readiness){.client = client, .done = done, .arg = arg, .until_ns = UINT64_MAX};
    if (options != NULL && options->timeout_ms != 0)
        readiness->until_ns = wire_after_ms(options->timeout_ms);
    if (options == NULL || options->traceparent == NULL ||
        (readiness->traceparent = strdup(options->traceparent)) != NULL)
        return readiness;
    free_readiness(readiness);
    return NULL;
}

static void tell(struct readiness *readiness, const struct wire_error *error)
{
    tilery_health_fn *done = readiness->done;
    void *arg = readiness->arg;
    struct tilery_error public_error;

    free_readiness(readiness);
    done(arg, call_error(&public_error, error) != TILERY_OK ? &public_error : NULL);
}

static void read_info(nng_msg *msg, struct wire_error *error)
{
    struct wire_arena arena;
    struct wire_reply head;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    error->status = call_unwrap(msg, &arena, &head, error);
    wire_arena_fini(&arena);
    nng_msg_free(msg);
}

/* It has said that it serves: only that it refuses this client, and the client's own end, are worth more. */
static void settle(struct readiness *readiness, const struct wire_error *error)
{
    static const struct wire_error none = {.status = WIRE_OK};
    bool counts = error->status == WIRE_UNAUTHENTICATED || error->status == WIRE_PERMISSION_DENIED ||
                  error->status == WIRE_CANCELLED;

    tell(readiness, counts ? error : &none);
}

static void on_info(void *arg, nng_msg *msg, struct server *server, const struct wire_error *error)
{
    struct wire_error why;

    (void)server;
    if (msg != NULL)
        read_info(msg, &why);
    else
        why = *error;
    settle(arg, &why);
}

static enum wire_status ask(struct readiness *readiness, struct server *server, struct wire_error *error)
{
    Tilery__V1__InfoRequest request = TILERY__V1__INFO_REQUEST__INIT;
    struct tilery_call_options options = {.traceparent = readiness->traceparent};
    const struct call_spec spec = {
        .method = CALL_INFO, .request = &request.base, .options = &options, .only = server};
    uint64_t now = wire_now_ns();

    if (readiness->until_ns != UINT64_MAX)
        options.timeout_ms = readiness->until_ns > now ? (readiness->until_ns - now) / NS_PER_MS + 1 : 1;
    return call_start(readiness->client, &spec, on_info, readiness, error);
}

static void on_check(void *arg, nng_msg *msg, struct server *server, const struct wire_error *error)
{
    struct wire_error why;

    if (msg == NULL)
        tell(arg, error);
    else if (call_read_check(msg, server, &why) != WIRE_OK)
        tell(arg, &why);
    else if (ask(arg, server, &why) != WIRE_OK)
        settle(arg, &why);
}

enum tilery_status tilery_ready_async(tilery_client *client, const struct tilery_call_options *options,
                                      tilery_health_fn *done, void *arg, struct tilery_error *error)
{
    struct readiness *readiness = new_readiness(client, options, done, arg);
    struct wire_error why;

    if (readiness == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
        return call_error(error, &why);
    }
    if (call_start_check(client, NULL, options, on_check, readiness, &why) == WIRE_OK)
        return TILERY_OK;
    free_readiness(readiness);
    return call_error(error, &why);
}
