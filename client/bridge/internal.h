#ifndef TILERY_BRIDGE_INTERNAL_H
#define TILERY_BRIDGE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "bridge.h"
#include "budget.h"
#include "format.h"
#include "image.h"
#include "metrics.h"
#include "runs.h"
#include "watch.h"
#include "web.h"
#include "wire/traceparent.h"

/* Of a URL with its query, of a request's body, in bytes; and of a query. */
#define BRIDGE_MAX_URL 8192u
#define BRIDGE_MAX_BODY 65536u
#define BRIDGE_MAX_PARAMETERS 128u

/* Of what is refused because there is no room now. */
#define BRIDGE_RETRY_AFTER_MS 1000

/* Of health checks and of statistics. */
#define BRIDGE_CHECK_TIMEOUT_MS 2000

struct addrinfo;

struct bridge {
    struct bridge_options options;
    struct MHD_Daemon *http;
    struct watch *watch;
    struct runs *runs;
    char url[128];
    pthread_mutex_t mutex; /* guards in_hand and awaited */
    pthread_cond_t idle;   /* awaited is 0 */
    unsigned in_hand;      /* exchanges */
    unsigned awaited;      /* those that are not late */
    atomic_bool draining;
    atomic_bool stops; /* what is still in hand is cut off */
    struct metrics metrics;
    struct budget budget;
};

/* What is known of a URL before it is decoded. */
struct target {
    unsigned length, parameters;
    bool nul;  /* in the path */
    bool host; /* it stands before the path, as proxies are sent it, and is plain */
};

struct exchange;
typedef enum MHD_Result bridge_answer_fn(struct exchange *exchange);

/*
 * One request and its answer. Made when the headers are read, freed when the answer is sent or the client is
 * gone, both on the connection's thread. In phase WAITING the connection is suspended and the exchange is the
 * call's, which gives it back with its end, whatever has become of the client meanwhile.
 */
struct exchange {
    struct bridge *bridge;
    struct MHD_Connection *connection;
    struct peer *peer; /* the connection's */
    char *method;      /* as sent */
    char id[65];       /* the answer's X-Request-Id */
    char call_id[65]; /* the call's request_id: nobody else's, so that cancelling it ends nobody else's run */
    char traceparent[WIRE_TRACEPARENT + 1]; /* the call's parent, and the answer's own */
    char path[258];                         /* decoded, and cut; for the log */
    uint64_t begin_ns;
    bool late; /* on a connection that came while the bridge drained, which does not wait for it */
    struct target target;
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
    bool streams;             /* mode is a parameter, and Accept chooses */
    unsigned seen;            /* parameters, a bit each */
    tilery_result *result;    /* with phase CALLED: NULL means error, or a health check */
    uint64_t budget_share;    /* taken for the result, to come or there */
    tilery_stats_list *stats; /* of /metrics, with phase CALLED */
    bool data;                /* the counts are asked for, */
    struct gather *gather;    /* and on their way; NULL: none */
    bool is_picture;          /* asked for, with */
    enum image_palette palette;
    struct picture *picture; /* on its way; NULL: none */
    tilery_stream *stream;   /* of phase CALLED, until it is a run's */
    bool failed;
    bool closes; /* the connection, with the answer */
    struct tilery_error error;
    struct run_times times;
    unsigned http;  /* the answer's status; 0 while there is none */
    uint64_t bytes; /* of its body, so far */
};

/* listen.c: the text has one %s, for the value. */
enum tilery_status bridge_fail(struct tilery_error *error, enum tilery_status status, const char *text,
                               const char *value);
/* *out ends with freeaddrinfo. */
enum tilery_status bridge_read_address(const char *listen, struct addrinfo **out, struct tilery_error *error);
/* Why libmicrohttpd could not listen there. */
void bridge_explain(const struct addrinfo *address, const char *listen, struct tilery_error *error);
/* Whoever connects is refused from now on; those who are connected stay. */
void bridge_stop_listening(struct MHD_Daemon *http);

/* target.c: libmicrohttpd's first word on a request, whose result it hands on to on_request and on_completed:
 * the URL's target, packed, to be told from an exchange. */
void *target_on_url(void *arg, const char *url, struct MHD_Connection *connection);
bool target_is_packed(const void *state);
struct target target_unpack(const void *state);
/* Of the decoded URL: its host, NULL where it has none, and its path. Any server has to take both forms:
 * https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2 */
const char *target_host(struct target target, const char *url, size_t *len);
const char *target_path(struct target target, const char *url);

/* routes.c: answers the request, or suspends it until its call has ended. */
enum MHD_Result bridge_route(struct exchange *exchange, const char *path);
enum MHD_Result bridge_refuse(struct exchange *exchange, unsigned http, const char *message,
                              const char *allow);
/* By its error. */
enum MHD_Result bridge_send_failure(struct exchange *exchange);
/* Its path, from 1 on; NULL after the last. */
const char *bridge_route_name(unsigned route);

/* gather.c: the run's records with their counts, which have room here until all are there. */
enum MHD_Result bridge_gather(struct exchange *exchange);
void bridge_gather_free(struct gather *gather); /* NULL is fine */

/* picture.c: the image as a PNG, whose bytes are made as they are sent. */
enum MHD_Result bridge_picture(struct exchange *exchange);
void bridge_picture_free(struct picture *picture); /* NULL is fine */

/* calls.c. Suspended before a call: its callback may come before it has returned. answer: what then goes
 * on. */
void bridge_suspend(struct exchange *exchange, bridge_answer_fn *answer);
/* As what its call is made: under its name, and for no longer than a server may take, which is told that,
 * too. A stream's tiles may come for longer than that. */
struct tilery_call_options bridge_call_options(const struct exchange *exchange);
struct tilery_call_options bridge_stream_options(const struct exchange *exchange);
/* The call has ended, on a thread of libtilery, or could not even begin. error may be NULL. The exchange may
 * be gone when it returns. */
void bridge_called(struct exchange *exchange, const struct tilery_error *error);
/* Takes that share of the budget, before anything is computed: what comes of it must have room here. False:
 * there is none, or the bridge drains, and the exchange's error. */
bool bridge_reserve(struct exchange *exchange, uint64_t share);
/* The same for an answer of that size, where one that takes more than the limit is refused for good: the
 * error says that the subject takes so many bytes. */
bool bridge_reserve_within(struct exchange *exchange, uint64_t bytes, const char *subject);
/* Frees what came for the answer, and gives back what it took. */
void bridge_let_go(struct exchange *exchange);

/* health.c: routes. */
enum MHD_Result bridge_health(struct exchange *exchange);
enum MHD_Result bridge_alive(struct exchange *exchange);
enum MHD_Result bridge_ready(struct exchange *exchange);

/* stream.c: routes. */
enum MHD_Result bridge_stream(struct exchange *exchange);
enum MHD_Result bridge_end_run(struct exchange *exchange);

/* names.c: the ids and the trace, from the request's headers. */
void bridge_name(struct exchange *exchange);
/* names.c: RUN/N, an event's id as it was sent. False: it is none. */
bool bridge_read_event_id(const char *text, char run[33], uint64_t *number);

/* answered.c: on_answered, which there is, is told. whole: the client has taken all of the answer. */
void bridge_tell_answered(const struct exchange *exchange, bool whole);

/* unclear.c: whether the request means the same to everybody; else it has failed. All texts are those that
 * libmicrohttpd gave, at their places. */
bool bridge_is_clear(struct exchange *exchange, const char *method, const char *url, const char *version);

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
/* The tiles hold as long as the exchange. */
enum MHD_Result bridge_send_tiles(struct exchange *exchange, const struct format_tiles *tiles);
/* Takes over the text, which malloc made. */
enum MHD_Result bridge_send_metrics(struct exchange *exchange, char *text, size_t len);
/* bytes hold for ever. */
enum MHD_Result bridge_send_constant(struct exchange *exchange, const char *type, const void *bytes,
                                     size_t len);
/* 200, or 304 where the client has that very file. */
enum MHD_Result bridge_send_file(struct exchange *exchange, const struct web_file *file);
/* The body is what read gives, which is called with the exchange. */
enum MHD_Result bridge_send_pieces(struct exchange *exchange, const char *type, const char *disposition,
                                   MHD_ContentReaderCallback read);
enum MHD_Result bridge_send_empty(struct exchange *exchange); /* 204 */
/* 200, of events as they come. */
enum MHD_Result bridge_send_events(struct exchange *exchange, struct MHD_Response *response,
                                   const char *type);
/* A GET's headers. */
enum MHD_Result bridge_send_head(struct exchange *exchange, const char *type);

/* openapi.c: what the routes take and answer, as OpenAPI 3.1. */
extern const unsigned char bridge_openapi[];
extern const size_t bridge_openapi_len;

/* origin.c: whether the Host header names this service, where that is asked: a page of another name that a
 * browser was led to this address by (DNS rebinding) is kept out. No page has an address for its name that is
 * not the very one it came from. */
bool bridge_host_allowed(const struct exchange *exchange);

/* origin.c: the headers that let a browser page of an allowed origin read the answer. */
void bridge_add_cors(const struct exchange *exchange, struct MHD_Response *response);

#endif
