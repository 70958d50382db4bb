/* Compute and Cancel. */
#include <stdio.h>

#include "engine/clock.h"
#include "service/cancels.h"
#include "service/internal.h"
#include "service/streams.h"
#include "wire/envelope.h"
#include "wire/limits.h"

struct compute {
    struct job job; /* first: a job is cast back */
    struct rpc_call *call;
};

static void set_times(const struct compute *compute)
{
    const struct job *job = &compute->job;
    uint64_t now = clock_now_ns();

    if (job->started_ns == 0)
        rpc_call_set_times(compute->call, now - job->submitted_ns, 0);
    else
        rpc_call_set_times(compute->call, job->started_ns - job->submitted_ns, now - job->started_ns);
}

/* On the run's last thread, or on whichever cancelled a waiting job. The job lives in the call: it goes with
 * it. */
static void finish(struct job *job, const struct wire_error *why)
{
    const struct compute *compute = (const struct compute *)(const void *)job;
    struct run *run = job->run;

    set_times(compute);
    rpc_call_set_items(compute->call, run_summary(run).tiles_done);
    if (why->status == WIRE_OK)
        rpc_call_reply_packed(compute->call, service_reply_size(run), service_reply_write, run);
    else
        rpc_call_fail(compute->call, why);
    run_free(run);
}

static void cancelled(void *arg, enum wire_status why)
{
    struct compute *compute = arg;

    admission_cancel(&compute->job, why);
}

void service_compute(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    struct service *service = context;
    struct compute *compute = rpc_call_alloc(call, sizeof *compute);
    char id[WIRE_MAX_REQUEST_ID + 1];
    struct run_spec spec;
    struct wire_error error;
    struct run *run;

    if (service_read_request((const Tilery__V1__ComputeRequest *)(const void *)request, &spec, &error) !=
            WIRE_OK ||
        rpc_call_reserve(call, service_reply_bound(&spec), &error) != WIRE_OK) {
        rpc_call_fail(call, &error);
        return;
    }
    if (compute == NULL || run_create(&spec, NULL, admission_run_done, compute, &run) != ENGINE_OK) {
        wire_error_set(&error, WIRE_RESOURCE_EXHAUSTED, "no memory to run it now; try again");
        rpc_call_fail(call, &error);
        return;
    }
    compute->call = call;
    compute->job = (struct job){.request_id = rpc_call_request_id(call),
                                .run = run,
                                .finish = finish,
                                .admission = service->admission};
    (void)snprintf(id, sizeof id, "%s",
                   compute->job.request_id); /* the call may be gone after its submission */
    rpc_call_defer(call, cancelled, compute);
    if (admission_submit(&compute->job, &error) != WIRE_OK) {
        rpc_call_fail(call, &error);
        run_free(run);
        return;
    }
    service_arrived(service, id, false);
}

/* Cancels what has that name, and all streams that are parts of it. */
static bool look(void *arg, const char *id)
{
    const struct service *service = arg;
    bool found = false;

    while (streams_cancel(service->streams, id))
        found = true;
    return found || admission_cancel_id(service->admission, id);
}

void service_arrived(struct service *service, const char *request_id, bool streamed)
{
    if (request_id[0] != '\0')
        cancels_arrived(service->cancels, request_id, streamed, look, service);
}

/* What no request can be called is nobody's name, and no shorter one is meant by it. */
static enum wire_status check_name(const char *id, struct wire_error *error)
{
    if (id == NULL || id[0] == '\0')
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "request_id is empty; it must name a Compute or an OpenStream");
    return wire_check_request_id(id, error);
}

void service_cancel(struct rpc_call *call, const ProtobufCMessage *request, void *context)
{
    const Tilery__V1__CancelRequest *cancel = (const Tilery__V1__CancelRequest *)(const void *)request;
    struct service *service = context;
    struct wire_error error;

    rpc_call_set_target(call, cancel->request_id);
    if (check_name(cancel->request_id, &error) == WIRE_OK)
        cancels_wait(service->cancels, call, cancel->request_id, look, service);
    else
        rpc_call_fail(call, &error);
}
