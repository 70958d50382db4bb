/* What nng loses sight of: connections that have ended or answer nothing, and dialers that do not dial. */
#include <string.h>

#include "connection.h"
#include "wire/address.h"
#include "wire/hangup.h"

#define PULSE_MS 500
/*
 * A dialer that has no memory for a connection that it has just made dials no more, and nobody is told. So it
 * is replaced where there has been no connection for so many pulses, its successor after twice as many, and
 * so on up to eight times as many, as it may only be slow: to find a host's address and be heard by it takes
 * half a minute at the worst.
 */
#define REDIAL_PULSES 10u
#define REDIAL_DOUBLED 3
/* How long a server that has not said anything yet may take to. */
#define ASK_TIMEOUT_MS 5000

/* ---- Connections over TLS that have ended, which nng may miss: see wire_has_ended ---- */

static void look_for_end(struct server *server)
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

/* ---- Servers that are not connected ---- */

static void look_for_dialer(struct server *server)
{
    tilery_client *client = server->client;
    bool connected, apart;

    pthread_mutex_lock(&client->mutex);
    connected = server->connected;
    apart = server->settled && !connected && !server->redialling;
    pthread_mutex_unlock(&client->mutex);
    if (connected)
        server->redials = 0;
    server->apart = apart ? server->apart + 1 : 0;
    if (server->apart < REDIAL_PULSES << server->redials || !server_redial(server))
        return;
    server->apart = 0;
    server->redials += server->redials < REDIAL_DOUBLED;
}

/* ---- Connections to nobody: nng had no memory for the server's end, and over inproc:// tells nobody ---- */

static void on_asked(void *arg, nng_msg *reply, struct server *asked, const struct wire_error *error)
{
    struct server *server = arg;
    tilery_client *client = server->client;
    bool deaf = false;

    (void)asked;
    if (reply != NULL)
        nng_msg_free(reply);
    else
        deaf = error->status == WIRE_DEADLINE_EXCEEDED || error->status == WIRE_UNAVAILABLE;
    pthread_mutex_lock(&client->mutex);
    deaf = deaf && !server->heard && server->pipe.id == server->asked.id;
    server->asked.id = 0;
    pthread_mutex_unlock(&client->mutex);
    if (deaf)
        server_disconnect(server);
}

/* Where there is another process, it may only be stopped, and keeps its connection. */
static bool is_inproc(const struct server *server)
{
    static const char scheme[] = "inproc://";

    return strncmp(server->url, scheme, sizeof scheme - 1) == 0;
}

static void look_for_answer(struct server *server)
{
    static const struct tilery_call_options options = {.timeout_ms = ASK_TIMEOUT_MS};
    tilery_client *client = server->client;
    struct wire_error error;
    bool doubtful;

    pthread_mutex_lock(&client->mutex);
    doubtful = is_inproc(server) && server->connected && !server->heard && server->avoided_ms != 0 &&
               server->asked.id == 0;
    if (doubtful)
        server->asked = server->pipe;
    pthread_mutex_unlock(&client->mutex);
    if (doubtful && call_start_check(client, server, &options, on_asked, server, &error) != WIRE_OK)
        on_asked(server, NULL, NULL, &error);
}

static void on_pulse(void *arg)
{
    tilery_client *client = arg;

    if (nng_aio_result(client->pulse) != 0)
        return;
    for (size_t i = 0; i < client->count; i++) {
        look_for_end(&client->servers[i]);
        look_for_dialer(&client->servers[i]);
        look_for_answer(&client->servers[i]);
    }
    nng_sleep_aio(PULSE_MS, client->pulse);
}

bool client_pulse_start(tilery_client *client)
{
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
