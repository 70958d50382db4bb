/* What is told of an answer that has ended. */
#include <netinet/in.h>

#include "internal.h"
#include "wire/address.h"
#include "wire/clock.h"

#define CLIENT_CLOSED_REQUEST 499

static void name_peer(struct MHD_Connection *connection, char *name, size_t size)
{
    const struct sockaddr *address =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    if (address->sa_family == AF_INET6)
        wire_address_write(name, size, AF_INET6, &in6->sin6_addr, in6->sin6_port);
    else
        wire_address_write(name, size, AF_INET, &in->sin_addr, in->sin_port);
}

void bridge_tell_answered(const struct exchange *exchange, bool whole)
{
    const struct bridge_options *options = &exchange->bridge->options;
    struct bridge_answered answered = {.method = exchange->method,
                                       .path = exchange->path,
                                       .http = exchange->http != 0 ? exchange->http : CLIENT_CLOSED_REQUEST,
                                       .cut_short = !whole,
                                       .message = exchange->http >= 400 ? exchange->error.message : "",
                                       .request_id = exchange->id,
                                       .traceparent = exchange->traceparent,
                                       .bytes = exchange->bytes,
                                       .computed = exchange->times.known,
                                       .queue_ns = exchange->times.queue_ns,
                                       .run_ns = exchange->times.run_ns,
                                       .total_ns = wire_now_ns() - exchange->begin_ns};
    char peer[INET6_ADDRSTRLEN + 16];

    name_peer(exchange->connection, peer, sizeof peer);
    answered.peer = peer;
    options->on_answered(options->on_answered_arg, &answered);
}
