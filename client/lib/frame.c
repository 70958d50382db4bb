/* A call as a frame, for one attempt. */
#include <string.h>

#include "connection.h"
#include "wire/token.h"

const char *call_peer(const struct call *call)
{
    return call->server != NULL ? call->server->url : call->client->addresses;
}

enum wire_status call_out_of_time(const struct call *call, struct wire_error *error)
{
    if (call->server == NULL) {
        pthread_mutex_lock(&call->client->mutex);
        (void)!client_explain(call->client, call->only, error);
        pthread_mutex_unlock(&call->client->mutex);
        return error->status = WIRE_DEADLINE_EXCEEDED;
    }
    return wire_error_set(error, WIRE_DEADLINE_EXCEEDED, "no reply from %s within the request's time",
                          call_peer(call));
}

/* The token lock is held, for the authorization. */
static enum wire_status pack(const struct call *call, struct wire_request *head, const char *authorization,
                             nng_msg **out, struct wire_error *error)
{
    struct wire_metadata metadata[2];
    size_t size;

    head->metadata = metadata;
    if (call->traceparent != NULL)
        metadata[head->metadata_count++] = (struct wire_metadata){"traceparent", call->traceparent};
    if (authorization != NULL)
        metadata[head->metadata_count++] = (struct wire_metadata){WIRE_AUTHORIZATION, authorization};
    size = wire_request_size(head, call->payload_len);
    if (size > WIRE_MAX_REQUEST_BYTES)
        return wire_error_set(error, WIRE_INVALID_ARGUMENT,
                              "the request takes %zu bytes; at most %llu are allowed", size,
                              (unsigned long long)WIRE_MAX_REQUEST_BYTES);
    if (nng_msg_alloc(out, size) != 0)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    memcpy(wire_request_pack(head, call->payload_len, nng_msg_body(*out)), call->payload, call->payload_len);
    return WIRE_OK;
}

enum wire_status call_make_frame(struct call *call, uint64_t now, nng_msg **out, struct wire_error *error)
{
    struct wire_request head = {.method = call->method, .request_id = call->request_id};
    tilery_client *client = call->client;
    enum wire_status status;

    if (call->deadline_ns <= now || call->work_until_ns <= now)
        return call_out_of_time(call, error);
    if (call->work_until_ns != UINT64_MAX) {
        head.has_timeout = true;
        head.timeout_ms = (call->work_until_ns - now + NS_PER_MS - 1) / NS_PER_MS;
    }
    if (call->request_id[0] == '\0') {
        if (call->own_id[0] == '\0')
            tilery_random_id(call->own_id);
        head.request_id = call->own_id;
    }
    pthread_rwlock_rdlock(&client->token_lock);
    status = pack(call, &head, client->authorization, out, error);
    pthread_rwlock_unlock(&client->token_lock);
    return status;
}
