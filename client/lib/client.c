/* A client: a set of servers, opened, chosen from, closed. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "wire/clock.h"
#include "wire/condition.h"

#define DEFAULT_SERVER "tcp://127.0.0.1:5570"
#define DEFAULT_CONNECT_TIMEOUT_MS 5000
#define DEFAULT_ATTEMPTS 5
#define MAX_ATTEMPTS 100
#define HANG_UP_MS 500
#define FAREWELL_MS 1000
#define FIRST_ATTEMPT_MS 1000

enum tilery_status call_error(struct tilery_error *out, const struct wire_error *error)
{
    if (out != NULL) {
        out->status = (enum tilery_status)error->status;
        out->retry_after_ms = error->retry_after_ms;
        (void)snprintf(out->message, sizeof out->message, "%s", error->message);
    }
    return (enum tilery_status)error->status;
}

bool client_wait_changed(tilery_client *client, uint64_t until_ns)
{
    return condition_wait(&client->changed, &client->mutex, until_ns);
}

/* ---- The set of servers ---- */

bool client_settled(const tilery_client *client)
{
    for (size_t i = 0; i < client->count; i++)
        if (!client->servers[i].settled)
            return false;
    return true;
}

struct server *client_pick(tilery_client *client, const struct server *last, uint64_t now)
{
    size_t picked = client->count;
    int best = 0;

    for (size_t i = 0; i < client->count; i++) {
        size_t at = (client->turn + i) % client->count;
        struct server *server = &client->servers[at];
        int rank = server->connected ? 1 + 2 * server_serves(server, now) + (server != last) : 0;

        if (rank > best) {
            best = rank;
            picked = at;
        }
    }
    if (best == 0)
        return NULL;
    client->turn = picked + 1;
    return &client->servers[picked];
}

enum wire_status client_explain(const tilery_client *client, const struct server *only,
                                struct wire_error *error)
{
    const struct server *one = client->count == 1 ? client->servers : only;
    int failure = 0;

    if (one != NULL && one->connections == 0)
        return client_explain_failure(one->url, one->nameless, one->failure, error);
    if (one != NULL)
        return wire_error_set(error, WIRE_UNAVAILABLE, "no server at %s: the connection was lost", one->url);
    for (size_t i = 0; i < client->count && failure == 0; i++)
        failure = client->servers[i].failure;
    return wire_error_set(error, WIRE_UNAVAILABLE, "no server at %s: %s", client->addresses,
                          failure != 0 ? nng_strerror(failure) : "not connected in time");
}

bool client_other_serves(const tilery_client *client, const struct server *server)
{
    uint64_t now = wire_now_ns();

    for (size_t i = 0; i < client->count; i++)
        if (&client->servers[i] != server && server_serves(&client->servers[i], now))
            return true;
    return false;
}

bool client_has_another(tilery_client *client, const struct server *server)
{
    bool found;

    pthread_mutex_lock(&client->mutex);
    found = client_other_serves(client, server);
    pthread_mutex_unlock(&client->mutex);
    return found;
}

size_t client_connected(tilery_client *client, struct server **out)
{
    size_t count = 0;

    pthread_mutex_lock(&client->mutex);
    for (size_t i = 0; i < client->count; i++)
        if (client->servers[i].connected)
            out[count++] = &client->servers[i];
    pthread_mutex_unlock(&client->mutex);
    return count;
}

unsigned client_max_attempts(const tilery_client *client)
{
    return client->max_attempts;
}

/* ---- Open ---- */

static void free_idle_calls(struct call *call)
{
    while (call != NULL) {
        struct call *next = call->next;

        call_free(call);
        call = next;
    }
}

static void free_client(tilery_client *client)
{
    free_idle_calls(client->idle[0]);
    free_idle_calls(client->idle[1]);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->mutex);
    pthread_rwlock_destroy(&client->token_lock);
    client_free_authorization(client->authorization);
    free(client->servers);
    free(client->addresses);
    free(client);
}

/* With room for as many servers as there are addresses, none of them open. */
static tilery_client *new_client(const char *addresses)
{
    tilery_client *client = calloc(1, sizeof *client);
    size_t count = 1;

    if (client == NULL)
        return NULL;
    for (const char *at = addresses; count < CLIENT_MAX_SERVERS && (at = strchr(at, ',')) != NULL; at++)
        count++;
    client->refs = 1;
    pthread_rwlock_init(&client->token_lock, NULL);
    pthread_mutex_init(&client->mutex, NULL);
    condition_init(&client->changed);
    client->addresses = strdup(addresses);
    client->servers = calloc(count, sizeof *client->servers);
    if (client->addresses != NULL && client->servers != NULL)
        return client;
    free_client(client);
    return NULL;
}

static enum wire_status open_server(tilery_client *client, const char *url,
                                    const struct tilery_client_options *options, struct wire_error *error)
{
    if (client->count == CLIENT_MAX_SERVERS)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT, "server names more than %d addresses",
                              CLIENT_MAX_SERVERS);
    if (server_open(&client->servers[client->count], client, url, options, error) != WIRE_OK)
        return error->status;
    pthread_mutex_lock(&client->mutex);
    client->count++;
    pthread_mutex_unlock(&client->mutex);
    return WIRE_OK;
}

static enum wire_status open_servers(tilery_client *client, const struct tilery_client_options *options,
                                     struct wire_error *error)
{
    char *urls = strdup(client->addresses), *rest = urls, *url;
    enum wire_status status = WIRE_OK;

    if (urls == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the client");
    while (status == WIRE_OK && (url = strsep(&rest, ",")) != NULL)
        status = open_server(client, url, options, error);
    free(urls);
    return status;
}

enum tilery_status tilery_client_open(const struct tilery_client_options *options, tilery_client **out,
                                      struct tilery_error *error)
{
    static const struct tilery_client_options no_options;
    tilery_client *client;
    struct wire_error why;

    *out = NULL;
    if (options == NULL)
        options = &no_options;
    if (options->max_attempts > MAX_ATTEMPTS) {
        wire_error_set(&why, WIRE_INVALID_ARGUMENT, "max_attempts is %u; it must be from 1 to %d",
                       options->max_attempts, MAX_ATTEMPTS);
        return call_error(error, &why);
    }
    client = new_client(options->server != NULL ? options->server : DEFAULT_SERVER);
    if (client == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the client");
        return call_error(error, &why);
    }
    client->opened_ns = wire_now_ns();
    client->connect_timeout_ms =
        options->connect_timeout_ms != 0 ? options->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    client->max_attempts = options->max_attempts != 0 ? options->max_attempts : DEFAULT_ATTEMPTS;
    client->no_pauses = options->no_pauses;
    client->on_attempt = options->on_attempt;
    client->on_attempt_arg = options->on_attempt_arg;
    if (client_make_authorization(options, &client->authorization, &why) != WIRE_OK ||
        open_servers(client, options, &why) != WIRE_OK) {
        tilery_client_close(client);
        return call_error(error, &why);
    }
    if (!client_pulse_start(client)) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the client");
        tilery_client_close(client);
        return call_error(error, &why);
    }
    *out = client;
    return TILERY_OK;
}

enum tilery_status tilery_client_set_token(tilery_client *client, const char *token, const char *token_file,
                                           struct tilery_error *error)
{
    const struct tilery_client_options options = {.token = token, .token_file = token_file};
    struct wire_error why;
    char *fresh, *old;

    if (client_make_authorization(&options, &fresh, &why) != WIRE_OK)
        return call_error(error, &why);
    pthread_rwlock_wrlock(&client->token_lock);
    old = client->authorization;
    client->authorization = fresh;
    pthread_rwlock_unlock(&client->token_lock);
    client_free_authorization(old);
    return TILERY_OK;
}

/* ---- Close ---- */

/* The mutex is held. A dialer that is closed before its first attempt has begun would leave it waiting for
 * ever. */
static void wait_for_first_attempts(tilery_client *client)
{
    uint64_t until_ns = wire_after(client->opened_ns, FIRST_ATTEMPT_MS);

    while (!client_settled(client) && client_wait_changed(client, until_ns))
        continue;
}

/* The mutex is held. */
static bool is_connected(const tilery_client *client)
{
    for (size_t i = 0; i < client->count; i++)
        if (client->servers[i].connected)
            return true;
    return false;
}

static void disconnect(tilery_client *client)
{
    uint64_t until_ns = wire_now_ns() + HANG_UP_MS * NS_PER_MS;

    for (size_t i = 0; i < client->count; i++)
        server_disconnect(&client->servers[i]);
    pthread_mutex_lock(&client->mutex);
    while (is_connected(client) && client_wait_changed(client, until_ns))
        continue;
    pthread_mutex_unlock(&client->mutex);
}

void client_farewell_begun(tilery_client *client)
{
    pthread_mutex_lock(&client->mutex);
    client->farewells++;
    pthread_mutex_unlock(&client->mutex);
}

void client_farewell_over(tilery_client *client)
{
    pthread_mutex_lock(&client->mutex);
    client->farewells--;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

/* The mutex is held. Runs whose streams nobody reads would go on until their leases run out; and
 * nng should not be full of messages while its connections end. */
static void wait_for_farewells(tilery_client *client)
{
    uint64_t until_ns = wire_now_ns() + FAREWELL_MS * NS_PER_MS;

    while (client->farewells != 0 && client_wait_changed(client, until_ns))
        continue;
}

void tilery_client_stop(tilery_client *client)
{
    client_cancel_runs(client);
    pthread_mutex_lock(&client->mutex);
    wait_for_farewells(client);
    client->closing = true;
    client_end_calls(client);
    while (client->active != NULL)
        pthread_cond_wait(&client->changed, &client->mutex);
    wait_for_first_attempts(client);
    pthread_mutex_unlock(&client->mutex);
}

void client_hold(tilery_client *client)
{
    pthread_mutex_lock(&client->mutex);
    client->refs++;
    pthread_mutex_unlock(&client->mutex);
}

void client_release(tilery_client *client)
{
    bool last;

    pthread_mutex_lock(&client->mutex);
    last = --client->refs == 0;
    pthread_mutex_unlock(&client->mutex);
    if (last)
        free_client(client);
}

void tilery_client_close(tilery_client *client)
{
    bool closed = true;

    if (client == NULL)
        return;
    tilery_client_stop(client);
    client_pulse_stop(client);
    disconnect(client);
    for (size_t i = 0; i < client->count; i++)
        closed &= server_close(&client->servers[i]);
    if (closed)
        client_release(client); /* otherwise nng may still tell it of a connection's end */
}
