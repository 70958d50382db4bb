/* Connections over TLS that have ended, which nng may miss: see wire_has_ended. */
#include "connection.h"
#include "wire/address.h"
#include "wire/hangup.h"

#define PULSE_MS 500

static void look(struct server *server)
{
    tilery_client *client = server->client;
    nng_pipe pipe;
    bool ended;

    pthread_mutex_lock(&client->mutex);
    pipe = server->pipe;
    ended = server->connected;
    pthread_mutex_unlock(&client->mutex);
    ended = ended && wire_address_is_tls(server->url) && wire_has_ended(pipe);
    if (ended && pipe.id == server->ended.id)
        nng_pipe_close(pipe);
    server->ended.id = ended ? pipe.id : 0;
}

static void on_pulse(void *arg)
{
    tilery_client *client = arg;

    if (nng_aio_result(client->pulse) != 0)
        return;
    for (size_t i = 0; i < client->count; i++)
        look(&client->servers[i]);
    nng_sleep_aio(PULSE_MS, client->pulse);
}

bool client_pulse_start(tilery_client *client)
{
    bool any = false;

    for (size_t i = 0; i < client->count; i++)
        any |= wire_address_is_tls(client->servers[i].url);
    if (!any)
        return true;
    if (nng_aio_alloc(&client->pulse, on_pulse, client) != 0)
        return false;
    nng_sleep_aio(PULSE_MS, client->pulse);
    return true;
}

void client_pulse_stop(tilery_client *client)
{
    if (client->pulse == NULL)
        return;
    nng_aio_stop(client->pulse);
    nng_aio_free(client->pulse);
}
