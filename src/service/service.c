#include "service/service.h"

#include <sched.h>
#include <stdlib.h>

#include "engine/clock.h"
#include "service/cancels.h"
#include "service/internal.h"
#include "service/stats.h"
#include "service/streams.h"

#include "server.pb-c.h"

#define NS_PER_MS UINT64_C(1000000)

/* In the order of the schema's methods; that of the services gives a method its place among all. */
static rpc_handler *const compute_handlers[] = {service_compute, service_open_stream, service_next_tiles,
                                                service_cancel};
static rpc_handler *const health_handlers[] = {service_check};
static rpc_handler *const server_handlers[] = {service_info, service_stats, service_describe};

const struct rpc_service *service_table(size_t *count)
{
    static const struct rpc_service table[] = {
        {&tilery__v1__tile_compute__descriptor, compute_handlers},
        {&tilery__v1__health__descriptor, health_handlers},
        {&tilery__v1__server__descriptor, server_handlers},
    };

    *count = sizeof table / sizeof *table;
    return table;
}

/* The places of those whose runs take threads. */
enum { COMPUTE, OPEN_STREAM };

static void tell_of_stream(const struct service *service, const struct job *job, enum wire_status why)
{
    uint64_t now = clock_now_ns(), began = job->started_ns != 0 ? job->started_ns : now;
    const struct service_stream_run run = {.id = job->request_id,
                                           .status = why,
                                           .queue_ns = began - job->submitted_ns,
                                           .run_ns = now - began,
                                           .tiles = run_summary(job->run).tiles_done};

    service->on_stream(service->on_stream_arg, &run);
}

static void on_job_end(void *arg, const struct job *job, enum wire_status why)
{
    struct service *service = arg;

    stats_count_job(service->stats, job->stream ? OPEN_STREAM : COMPUTE, job, why);
    if (job->stream && service->on_stream != NULL)
        tell_of_stream(service, job, why);
}

static size_t method_count(void)
{
    const struct rpc_service *table;
    size_t services, methods = 0;

    table = service_table(&services);
    for (size_t i = 0; i < services; i++)
        methods += table[i].descriptor->n_methods;
    return methods;
}

/* quota: 0 is none. */
static uint32_t usable_cpus(uint32_t quota)
{
    cpu_set_t set;
    uint32_t usable = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;

    return quota != 0 && quota < usable ? quota : usable;
}

enum wire_status service_create(const struct service_options *options, struct service **out,
                                struct wire_error *error)
{
    struct service *service = calloc(1, sizeof *service);
    struct admission_options admission = {.max_threads = options->max_threads,
                                          .max_queue = options->max_queue,
                                          .on_end = on_job_end,
                                          .on_end_arg = service};

    *out = NULL;
    if (service == NULL || pool_create(&service->pool) != ENGINE_OK ||
        (service->stats = stats_create(method_count())) == NULL ||
        (service->cancels = cancels_create()) == NULL) {
        service_free(service);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the service");
    }
    service->started_ns = clock_now_ns();
    service->on_stream = options->on_stream;
    service->on_stream_arg = options->on_stream_arg;
    service->cpus = usable_cpus(options->cpus);
    service->max_timeout_ms = options->max_timeout_ms;
    if (admission.max_threads == 0)
        admission.max_threads = service->cpus * 8 > 32 ? service->cpus * 8 : 32;
    service->max_threads = admission.max_threads;
    if (admission_create(&admission, service->pool, &service->admission, error) != WIRE_OK ||
        streams_create(service->admission, options->window_budget_bytes, &service->streams, error) !=
            WIRE_OK) {
        service_free(service);
        return error->status;
    }
    *out = service;
    return WIRE_OK;
}

uint32_t service_max_threads(const struct service *service)
{
    return service->max_threads;
}

void service_count(struct service *service, const struct rpc_ended *ended)
{
    stats_count_call(service->stats, ended);
}

void service_connection_gone(struct service *service, uint32_t connection)
{
    streams_connection_gone(service->streams, connection);
}

void service_drain(struct service *service)
{
    admission_drain(service->admission);
    streams_drain(service->streams);
}

bool service_wait_idle(struct service *service, uint64_t timeout_ms)
{
    uint64_t until_ns = clock_after_ms(timeout_ms), now;

    if (!streams_wait_idle(service->streams, timeout_ms))
        return false;
    now = clock_now_ns();
    return admission_wait_idle(service->admission, now < until_ns ? (until_ns - now) / NS_PER_MS : 0);
}

void service_cancel_all(struct service *service)
{
    streams_cancel_all(service->streams);
    admission_cancel_all(service->admission);
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    /* Streams have no call that the RPC server would have waited for, and a thread may be about to start the
     * next one's run. */
    if (service->streams != NULL) {
        service_cancel_all(service);
        (void)admission_wait_idle(service->admission, UINT64_MAX);
    }
    pool_free(service->pool); /* joins: the last thread of a run still looks at admission after its reply */
    streams_free(service->streams);
    admission_free(service->admission);
    free(service->stats);
    cancels_free(service->cancels);
    free(service);
}
