/* Health/Check and Server/Info. */
#include <string.h>

#include "engine/clock.h"
#include "service/internal.h"
#include "wire/limits.h"

#include "server.pb-c.h"

#define MAX_NAMES 16

static bool is_service(const char *name)
{
    const struct rpc_service *table;
    size_t count;

    table = service_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].descriptor->name, name) == 0)
            return true;
    return name[0] == '\0';
}

void service_check(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    const Tilery__V1__HealthCheckRequest *check =
        (const Tilery__V1__HealthCheckRequest *)(const void *)request;
    Tilery__V1__HealthCheckReply reply = TILERY__V1__HEALTH_CHECK_REPLY__INIT;
    struct service *service = context;

    reply.has_status = 1;
    if (check->service != NULL && !is_service(check->service))
        reply.status = TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__SERVICE_UNKNOWN;
    else if (admission_draining(service->admission))
        reply.status = TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__NOT_SERVING;
    else
        reply.status = TILERY__V1__HEALTH_CHECK_REPLY__SERVING_STATUS__SERVING;
    rpc_call_reply(call, &reply.base);
}

static Tilery__V1__Limits limits(const struct service *service)
{
    Tilery__V1__Limits out = TILERY__V1__LIMITS__INIT;

    out.has_max_width = out.has_max_height = out.has_max_tiles = out.has_max_threads = 1;
    out.has_max_time_limit_ms = out.has_max_tile_bytes = out.has_max_request_bytes = out.has_max_reply_bytes =
        out.has_max_timeout_ms = 1;
    out.max_width = wire_field_max(WIRE_WIDTH);
    out.max_height = wire_field_max(WIRE_HEIGHT);
    out.max_tiles = WIRE_MAX_TILES;
    out.max_threads = wire_field_max(WIRE_NUM_THREADS);
    out.max_time_limit_ms = wire_field_max(WIRE_TIME_LIMIT_MS);
    out.max_tile_bytes = WIRE_MAX_TILE_BYTES;
    out.max_request_bytes = WIRE_MAX_REQUEST_BYTES;
    out.max_reply_bytes = WIRE_MAX_REPLY_BYTES;
    out.max_timeout_ms = service->max_timeout_ms;
    return out;
}

void service_info(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    Tilery__V1__InfoReply reply = TILERY__V1__INFO_REPLY__INIT;
    const struct service *service = context;
    Tilery__V1__Limits max = limits(service);
    const struct kernel *kernel;
    char *kernels[MAX_NAMES], *schedules[SCHEDULE_KINDS];

    (void)request;
    reply.version = (char *)(uintptr_t)TILERY_VERSION;
    while (reply.n_kernels < MAX_NAMES && (kernel = kernel_at(reply.n_kernels)) != NULL)
        kernels[reply.n_kernels++] = (char *)(uintptr_t)kernel->name;
    reply.kernels = kernels;
    while (reply.n_schedules < SCHEDULE_KINDS) {
        schedules[reply.n_schedules] =
            (char *)(uintptr_t)schedule_name((enum schedule_kind)reply.n_schedules);
        reply.n_schedules++;
    }
    reply.schedules = schedules;
    reply.limits = &max;
    reply.has_cpus = reply.has_uptime_ns = 1;
    reply.cpus = service->cpus;
    reply.uptime_ns = clock_now_ns() - service->started_ns;
    rpc_call_reply(call, &reply.base);
}
