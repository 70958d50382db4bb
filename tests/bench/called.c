#include "called.h"

#include <stdio.h>
#include <stdlib.h>

#include "tilery/client.h"
#include "wire/envelope.h"

#define RECORDS 9

void called_start(struct child *child)
{
    const char *const argv[] = {TILERYD, "--listen", "tcp://127.0.0.1:0", "--log", "off", NULL};

    child_start(child, argv);
}

static void *open_client(const struct target *target)
{
    const struct tilery_client_options options = {.server = target->url};
    tilery_client *client;
    struct tilery_error error;

    if (tilery_client_open(&options, &client, &error) != TILERY_OK)
        fprintf(stderr, "%s\n", error.message);
    return client;
}

static void close_client(void *client)
{
    tilery_client_close(client);
}

static bool check(enum tilery_status status, const struct tilery_error *error)
{
    if (status != TILERY_OK)
        fprintf(stderr, "%s: %s\n", tilery_status_name(status), error->message);
    return status == TILERY_OK;
}

static bool call_health(void *client)
{
    struct tilery_error error;

    return check(tilery_health(client, NULL, &error), &error);
}

static struct tilery_compute_request documented(void)
{
    struct tilery_compute_request request;

    tilery_compute_request_init(&request);
    request.width = request.height = 96;
    request.tile_w = request.tile_h = 32;
    request.max_iter = 128;
    request.time_limit_ms = 500;
    request.num_threads = 2;
    return request;
}

static bool call_compute(void *client)
{
    const struct tilery_compute_request request = documented();
    struct tilery_error error;
    tilery_result *result;
    bool whole;

    if (!check(tilery_compute(client, &request, NULL, &result, &error), &error))
        return false;
    whole = tilery_result_count(result) == RECORDS;
    tilery_result_free(result);
    return whole;
}

struct target called_health(const char *url)
{
    return (struct target){
        .name = "tilery", .url = url, .open = open_client, .call = call_health, .close = close_client};
}

struct target called_compute(const char *url)
{
    return (struct target){
        .name = "tilery", .url = url, .open = open_client, .call = call_compute, .close = close_client};
}

size_t called_health_request_bytes(void)
{
    return wire_request_size(&(struct wire_request){.method = "tilery.v1.Health/Check",
                                                    .request_id = "0123456789abcdef0123456789abcdef"},
                             0);
}

/* Its payload is the status alone. */
size_t called_health_reply_bytes(void)
{
    return wire_reply_size(&(struct wire_reply){.message = ""}, 2);
}
