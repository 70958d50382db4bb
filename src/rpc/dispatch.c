/* From the method's name, "package.Service/Method", to the handler that the descriptor's table gives. */
#include <string.h>

#include "rpc/internal.h"
#include "wire/check.h"
#include "wire/limits.h"

#define USUAL_BYTES 16384u

/* Leaves the method's place in the call. */
static const ProtobufCMethodDescriptor *find_method(struct rpc_call *call, rpc_handler **handler)
{
    const struct rpc_server *server = call->server;
    const char *name = call->request.method;
    size_t before = 0;

    for (size_t i = 0; i < server->service_count; i++) {
        const ProtobufCServiceDescriptor *service = server->services[i].descriptor;
        size_t len = strlen(service->name);

        if (strncmp(name, service->name, len) == 0 && name[len] == '/')
            for (unsigned m = 0; m < service->n_methods; m++)
                if (strcmp(service->methods[m].name, name + len + 1) == 0) {
                    call->method = before + m;
                    *handler = server->services[i].handlers[m];
                    return &service->methods[m];
                }
        before += service->n_methods;
    }
    return NULL;
}

/* Before all else: a caller without the right learns nothing of what there is. */
static enum wire_status authorize(const struct rpc_call *call, struct wire_error *error)
{
    const struct rpc_server_options *options = &call->server->options;

    return options->authorize != NULL ? options->authorize(options->authorize_arg, &call->request, error)
                                      : WIRE_OK;
}

enum wire_status rpc_decode(struct rpc_call *call, rpc_handler **handler, const ProtobufCMessage **message,
                            struct wire_error *error)
{
    const struct wire_request *request = &call->request;
    const ProtobufCMethodDescriptor *method;
    char shown[96];

    *handler = NULL;
    *message = NULL;
    method = find_method(call, handler);
    if (authorize(call, error) != WIRE_OK)
        return error->status;
    if (*handler == NULL)
        return wire_error_set(error, WIRE_UNIMPLEMENTED, "there is no method \"%s\"",
                              wire_quote(shown, sizeof shown, request->method));
    if (request->has_timeout && request->timeout_ms == 0)
        return wire_error_set(error, WIRE_DEADLINE_EXCEEDED, "timeout_ms is 0: the time was up on arrival");
    *message = protobuf_c_message_unpack(method->input, &call->arena.allocator, request->payload_len,
                                         request->payload);
    if (*message == NULL)
        return wire_unpack_failed(&call->arena, WIRE_INVALID_ARGUMENT, "request", "the payload",
                                  method->input->name, error);
    return wire_check_fields(method->input, request->payload, request->payload_len, error);
}

/* A request may stay for long, as it waits or runs, and so does what it has been unpacked to. The usual size
 * is not counted: that memory is kept for the next request anyhow. */
static enum wire_status take_memory(struct rpc_call *call, struct wire_error *error)
{
    struct rpc_server *server = call->server;
    size_t size = call->arena.taken;
    bool fits;

    if (size <= USUAL_BYTES)
        return WIRE_OK;
    pthread_mutex_lock(&server->mutex);
    fits = size <= server->options.request_budget_bytes - server->request_bytes;
    if (fits) {
        call->unpacked = size;
        server->request_bytes += size;
    }
    pthread_mutex_unlock(&server->mutex);
    if (fits)
        return WIRE_OK;
    return wire_error_set(
        error, WIRE_RESOURCE_EXHAUSTED,
        "the request takes %zu bytes unpacked, and others take nearly all of %llu; try again", size,
        (unsigned long long)server->options.request_budget_bytes);
}

void rpc_dispatch(struct rpc_call *call, const struct wire_error *bad)
{
    const ProtobufCMessage *message;
    struct wire_error error;
    rpc_handler *handler;

    if (bad != NULL) {
        (void)find_method(call, &handler);
        rpc_call_fail(call, bad);
    } else if (rpc_decode(call, &handler, &message, &error) != WIRE_OK ||
               take_memory(call, &error) != WIRE_OK) {
        rpc_call_fail(call, &error);
    } else {
        handler(call, message, call->server->context);
    }
}
