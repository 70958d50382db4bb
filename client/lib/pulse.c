/* Connections over TLS, looked after: see client_pulse_start. */
#include "connection.h"
#include "wire/address.h"

#define PULSE_MS 500

/* The socket's other end is gone, as nng knows: it has shut it. */
static bool has_ended(nng_pipe pipe)
{
    nng_sockaddr remote;

    return nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) != 0;
}

static void look(struct server *server)
{
    tilery_client *client = server->client;
    nng_pipe pipe;
    bool connected;

    pthread_mutex_lock(&client->mutex);
    pipe = server->pipe;
    connected = server->connected;
    pthread_mutex_unlock(&client->mutex);
    if (connected && wire_address_is_tls(server->url) && has_ended(pipe))
        nng_pipe_close(pipe);
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
