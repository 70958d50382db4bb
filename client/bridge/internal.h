#ifndef TILERY_BRIDGE_INTERNAL_H
#define TILERY_BRIDGE_INTERNAL_H

#include <pthread.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "bridge.h"

struct bridge {
    struct bridge_options options;
    struct MHD_Daemon *http;
    char url[128];
    pthread_mutex_t mutex; /* guards in_hand */
    pthread_cond_t idle;
    unsigned in_hand; /* exchanges */
};

/* One request and its answer. Made when the headers are read, freed when the answer is sent or the client is
 * gone. */
struct exchange {
    struct bridge *bridge;
    struct MHD_Connection *connection;
    char *method; /* as sent */
    enum { EXCHANGE_READING, EXCHANGE_WAITING, EXCHANGE_CALLED } phase;
    bool is_health;
    struct tilery_compute_request request;
    tilery_result *result; /* with phase CALLED: NULL means error, or a health check */
    bool failed;
    struct tilery_error error;
};

/* routes.c: answers the request, or suspends it until its call has ended. */
enum MHD_Result bridge_route(struct exchange *exchange, const char *path);
/* Answers after the call has ended. */
enum MHD_Result bridge_answer(struct exchange *exchange);

/* params.c: the request's parameters; INVALID_ARGUMENT names parameter, value and range. */
enum tilery_status bridge_read_params(struct MHD_Connection *connection,
                                      struct tilery_compute_request *request, struct tilery_error *error);

/* reply.c: queue an answer, with the headers that every answer carries. */
enum MHD_Result bridge_send_error(struct exchange *exchange, unsigned http, const struct tilery_error *error,
                                  const char *allow);
enum MHD_Result bridge_send_health(struct exchange *exchange, bool serving, const char *message);
enum MHD_Result bridge_send_result(struct exchange *exchange);
enum MHD_Result bridge_send_empty(struct exchange *exchange, unsigned http);

/* cors.c: the headers that let a browser page of an allowed origin read the answer. */
void bridge_add_cors(const struct bridge *bridge, struct MHD_Connection *connection,
                     struct MHD_Response *response);

#endif
