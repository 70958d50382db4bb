/* What a client has its servers know before it is closed: that nobody reads its streams any more. */
#include <stdio.h>

#include "connection.h"

#define TIMEOUT_MS 1000

/* The mutex is held. */
static void unlist(tilery_client *client, struct open_run *run)
{
    if (!run->listed)
        return;
    *(run->prev != NULL ? &run->prev->next : &client->runs) = run->next;
    if (run->next != NULL)
        run->next->prev = run->prev;
    run->listed = false;
}

void client_run_opened(tilery_client *client, struct open_run *run, const char *id, struct server *server)
{
    pthread_mutex_lock(&client->mutex);
    unlist(client, run);
    *run = (struct open_run){
        .listed = true, .id = id, .server = server, .next = client->runs, .cancelled_ns = run->cancelled_ns};
    if (client->runs != NULL)
        client->runs->prev = run;
    client->runs = run;
    pthread_mutex_unlock(&client->mutex);
}

void client_run_over(tilery_client *client, struct open_run *run)
{
    pthread_mutex_lock(&client->mutex);
    unlist(client, run);
    pthread_mutex_unlock(&client->mutex);
}

/* The first one's id and server, which is listed no more. */
static bool take_run(tilery_client *client, char *id, size_t size, struct server **server)
{
    struct open_run *run;

    pthread_mutex_lock(&client->mutex);
    run = client->runs;
    if (run != NULL) {
        (void)snprintf(id, size, "%s", run->id);
        *server = run->server;
        unlist(client, run);
    }
    pthread_mutex_unlock(&client->mutex);
    return run != NULL;
}

static void on_cancelled(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    (void)server;
    (void)error; /* its lease will end it */
    if (reply != NULL)
        nng_msg_free(reply);
    client_farewell_over(arg);
}

void client_cancel_run(tilery_client *client, const char *id, struct server *server, const char *traceparent,
                       call_done_fn *done, void *arg)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS, .traceparent = traceparent};
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    const struct call_spec spec = {.method = CALL_CANCEL,
                                   .request = &request.base,
                                   .options = &options,
                                   .only = server,
                                   .retry = true,
                                   .patient = true};
    struct wire_error error;

    request.request_id = (char *)(uintptr_t)id;
    client_farewell_begun(client);
    if (call_start(client, &spec, done, arg, &error) != WIRE_OK)
        done(arg, NULL, server, &error);
}

void client_cancel_runs(tilery_client *client)
{
    char id[WIRE_MAX_REQUEST_ID + 1];
    struct server *server;

    while (take_run(client, id, sizeof id, &server))
        client_cancel_run(client, id, server, NULL, on_cancelled, client);
}
