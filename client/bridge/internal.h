#ifndef TILERY_BRIDGE_INTERNAL_H
#define TILERY_BRIDGE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "bridge.h"
#include "budget.h"
#include "format.h"
#include "metrics.h"

/* Of a URL with its query, and of a request's body. */
#define BRIDGE_MAX_URL 8192u
#define BRIDGE_MAX_BODY 65536u

struct bridge {
    struct bridge_options options;
    struct MHD_Daemon *http;
    char url[128];
    pthread_mutex_t mutex; /* guards in_hand */
    pthread_cond_t idle;
    unsigned in_hand; /* exchanges */
    atomic_bool draining;
    struct metrics metrics;
    struct budget budget;
};

struct exchange;
typedef enum MHD_Result bridge_answer_fn(struct exchange *exchange);

/* One request and its answer. Made when the headers are read, freed when the answer is sent or the client is
 * gone. */
struct exchange {
    struct bridge *bridge;
    struct MHD_Connection *connection;
    char *method; /* as sent */
    char id[65];  /* the call's request_id and the answer's X-Request-Id */
    uint64_t begin_ns;
    size_t url_len;
    unsigned route; /* 0: none, as far as is known */
    char *body;     /* BRIDGE_MAX_BODY long; NULL while there is none */
    size_t body_len;
    bool too_long; /* the body, which is dropped */
    enum { EXCHANGE_READING, EXCHANGE_WAITING, EXCHANGE_CALLED } phase;
    bridge_answer_fn *answer; /* of phase CALLED */
    struct tilery_compute_request request;
    char kernel[33]; /* the request's */
    enum format format;
    struct format_options json;
    bool pretty;
    unsigned seen;            /* parameters, a bit each */
    tilery_result *result;    /* with phase CALLED: NULL means error, or a health check */
    uint64_t budget_share;    /* taken for the result, to come or there */
    tilery_stats_list *stats; /* of /metrics, with phase CALLED */
    bool failed;
    struct tilery_error error;
    unsigned http;  /* the answer's status; 0 while there is none */
    uint64_t bytes; /* of its body, so far */
};

/* routes.c: answers the request, or suspends it until its call has ended. */
enum MHD_Result bridge_route(struct exchange *exchange, const char *path);
enum MHD_Result bridge_refuse(struct exchange *exchange, unsigned http, const char *message,
                              const char *allow);
/* Its path, from 1 on; NULL after the last. */
const char *bridge_route_name(unsigned route);

/* params.c: the request's parameters. False, and the exchange's error, which names parameter, value and
 * range.
 */
bool bridge_read_params(struct exchange *exchange);

/* reply.c: queue an answer, with the headers that every answer carries. */
enum MHD_Result bridge_send_error(struct exchange *exchange, unsigned http, const struct tilery_error *error,
                                  const char *allow);
enum MHD_Result bridge_send_health(struct exchange *exchange, bool serving, const char *message);
enum MHD_Result bridge_send_text(struct exchange *exchange, unsigned http, const char *text);
enum MHD_Result bridge_send_result(struct exchange *exchange);
/* Takes over the text, which malloc made. */
enum MHD_Result bridge_send_metrics(struct exchange *exchange, char *text, size_t len);
/* bytes hold for ever. */
enum MHD_Result bridge_send_constant(struct exchange *exchange, const char *type, const void *bytes,
                                     size_t len);
enum MHD_Result bridge_send_empty(struct exchange *exchange); /* 204 */
/* A GET's headers. */
enum MHD_Result bridge_send_head(struct exchange *exchange, const char *type);

/* openapi.c: what the routes take and answer, as OpenAPI 3.1. */
extern const unsigned char bridge_openapi[];
extern const size_t bridge_openapi_len;

/* origin.c: whether the Host header names this service, where that is asked: a page of another name that a
 * browser was led to this address by (DNS rebinding) is kept out. */
bool bridge_host_allowed(const struct exchange *exchange);

/* origin.c: the headers that let a browser page of an allowed origin read the answer. */
void bridge_add_cors(const struct bridge *bridge, struct MHD_Connection *connection,
                     struct MHD_Response *response);

#endif
