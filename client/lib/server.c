/* Health and Info, and the library's own constants. */
#include <stdlib.h>

#include "internal.h"
#include "wire/limits.h"

#include "server.pb-c.h"

#define CHECK "tilery.v1.Health/Check"

_Static_assert((int)TILERY_UNAUTHENTICATED == (int)WIRE_UNAUTHENTICATED && (int)TILERY_OK == (int)WIRE_OK,
               "the public codes are the wire's");

const char *tilery_status_name(enum tilery_status status)
{
    return wire_status_name((enum wire_status)status);
}

unsigned tilery_status_http(enum tilery_status status)
{
    return wire_status_http((enum wire_status)status);
}

int tilery_status_exit(enum tilery_status status)
{
    return wire_status_exit((enum wire_status)status);
}

const char *tilery_version(void)
{
    return TILERY_VERSION;
}

static enum wire_status check_serving(Tilery__V1__HealthCheckReply__ServingStatus serving,
                                      struct wire_error *error)
{
    switch (serving) {
    case TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__SERVING:
        return WIRE_OK;
    case TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__SERVICE_UNKNOWN:
        return wire_error_set(error, WIRE_NOT_FOUND, "the server has no such service");
    default:
        return wire_error_set(error, WIRE_UNAVAILABLE, "the server is shutting down");
    }
}

enum wire_status call_read_check(nng_msg *msg, struct server *server, struct wire_error *error)
{
    ProtobufCMessage *reply;
    struct wire_arena arena;
    struct wire_reply head;
    enum wire_status status;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    status = call_decode(msg, &tilery__v1__health_check_reply__descriptor, &arena, &head, &reply, error);
    if (status == WIRE_OK)
        status = check_serving(((const Tilery__V1__HealthCheckReply *)(const void *)reply)->status, error);
    if (status == WIRE_UNAVAILABLE)
        server_avoid(server);
    wire_arena_fini(&arena);
    return status;
}

enum wire_status call_start_check(tilery_client *client, struct server *server,
                                  const struct tilery_call_options *options, call_done_fn *done, void *arg,
                                  struct wire_error *error)
{
    Tilery__V1__HealthCheckRequest request = TILERY__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct call_spec spec = {
        .method = CHECK, .request = &request.base, .options = options, .only = server};

    return call_start(client, &spec, done, arg, error);
}

enum tilery_status tilery_health(tilery_client *client, const struct tilery_call_options *options,
                                 struct tilery_error *error)
{
    return tilery_health_service(client, "", options, error);
}

enum tilery_status tilery_health_service(tilery_client *client, const char *service,
                                         const struct tilery_call_options *options,
                                         struct tilery_error *error)
{
    Tilery__V1__HealthCheckRequest request = TILERY__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct call_spec spec = {.method = CHECK, .request = &request.base, .options = options};
    struct wire_error why;
    struct server *server;
    nng_msg *msg;

    request.service = (char *)(uintptr_t)service;
    if (call_blocking(client, &spec, &msg, &server, &why) == WIRE_OK &&
        call_read_check(msg, server, &why) == WIRE_OK)
        return TILERY_OK;
    if (why.status == WIRE_NOT_FOUND)
        wire_error_set(&why, WIRE_NOT_FOUND, "service is \"%.100s\"; the server has none of that name",
                       service);
    return call_error(error, &why);
}

struct pending {
    tilery_health_fn *done;
    void *arg;
};

static void finish_async(void *arg, nng_msg *msg, struct server *server, const struct wire_error *error)
{
    struct pending pending = *(struct pending *)arg;
    struct tilery_error public_error;
    struct wire_error why;

    free(arg);
    if (msg == NULL)
        why = *error;
    if (msg != NULL && call_read_check(msg, server, &why) == WIRE_OK) {
        pending.done(pending.arg, NULL);
        return;
    }
    (void)call_error(&public_error, &why);
    pending.done(pending.arg, &public_error);
}

enum tilery_status tilery_health_async(tilery_client *client, const struct tilery_call_options *options,
                                       tilery_health_fn *done, void *arg, struct tilery_error *error)
{
    struct pending *pending = malloc(sizeof *pending);
    struct wire_error why;

    if (pending == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
        return call_error(error, &why);
    }
    *pending = (struct pending){done, arg};
    if (call_start_check(client, NULL, options, finish_async, pending, &why) == WIRE_OK)
        return TILERY_OK;
    free(pending);
    return call_error(error, &why);
}

struct info {
    struct tilery_info info; /* first: what the caller sees */
    struct wire_arena arena;
};

static void fill_info(struct tilery_info *info, const Tilery__V1__InfoReply *reply)
{
    static const Tilery__V1__Limits none = TILERY__V1__LIMITS__INIT;
    const Tilery__V1__Limits *limits = reply->limits != NULL ? reply->limits : &none;

    call_make_printable(reply->version);
    for (size_t i = 0; i < reply->n_kernels; i++)
        call_make_printable(reply->kernels[i]);
    for (size_t i = 0; i < reply->n_schedules; i++)
        call_make_printable(reply->schedules[i]);
    *info = (struct tilery_info){.version = reply->version != NULL ? reply->version : "",
                                 .kernels = (const char *const *)reply->kernels,
                                 .kernel_count = reply->n_kernels,
                                 .schedules = (const char *const *)reply->schedules,
                                 .schedule_count = reply->n_schedules,
                                 .max_width = limits->max_width,
                                 .max_height = limits->max_height,
                                 .max_tiles = limits->max_tiles,
                                 .max_threads = limits->max_threads,
                                 .max_time_limit_ms = limits->max_time_limit_ms,
                                 .max_tile_bytes = limits->max_tile_bytes,
                                 .max_request_bytes = limits->max_request_bytes,
                                 .max_reply_bytes = limits->max_reply_bytes,
                                 .cpus = reply->cpus,
                                 .uptime_ns = reply->uptime_ns,
                                 .max_timeout_ms = limits->max_timeout_ms};
}

enum tilery_status tilery_info(tilery_client *client, const struct tilery_call_options *options,
                               struct tilery_info **out, struct tilery_error *error)
{
    Tilery__V1__InfoRequest request = TILERY__V1__INFO_REQUEST__INIT;
    const struct call_spec spec = {.method = CALL_INFO, .request = &request.base, .options = options};
    ProtobufCMessage *reply;
    struct wire_reply head;
    struct wire_error why;
    struct info *info = NULL;
    nng_msg *msg;

    *out = NULL;
    if (call_blocking(client, &spec, &msg, NULL, &why) != WIRE_OK)
        return call_error(error, &why);
    info = malloc(sizeof *info);
    if (info == NULL) {
        nng_msg_free(msg);
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the reply");
        return call_error(error, &why);
    }
    wire_arena_init(&info->arena, WIRE_REQUEST_ARENA);
    if (call_decode(msg, &tilery__v1__info_reply__descriptor, &info->arena, &head, &reply, &why) != WIRE_OK) {
        tilery_info_free(&info->info);
        return call_error(error, &why);
    }
    fill_info(&info->info, (const Tilery__V1__InfoReply *)(const void *)reply);
    *out = &info->info;
    return TILERY_OK;
}

void tilery_info_free(struct tilery_info *info)
{
    struct info *whole = (struct info *)(void *)info;

    if (info == NULL)
        return;
    wire_arena_fini(&whole->arena);
    free(whole);
}
