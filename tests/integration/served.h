#ifndef TILERY_TESTS_SERVED_H
#define TILERY_TESTS_SERVED_H

#include <check.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

#include "daemon/daemon.h"
#include "tilery/client.h"

/*
 * A server in the test's own process, and a client of it. nng does not survive a fork, so a test starts them
 * itself; its checked fixture ends them. Tests loop over the transports, to TRANSPORTS, or to WITH_TLS, where
 * server and client both show certificates, which costs a little.
 */
enum transport { INPROC, TCP, TRANSPORTS, TLS = TRANSPORTS, WITH_TLS };

struct served {
    struct daemon *daemon;
    tilery_client *client;
    struct tilery_error error; /* for the calls of the test's main thread */
    char url[256];
    uint32_t max_threads, max_queue;
    const char *token_file; /* set before served_start; NULL: none */
};
extern struct served served;

/* Of runs side by side, and of requests that wait. */
void served_start(int transport, uint32_t max_threads, uint32_t max_queue);
void served_start_at(const char *url, uint32_t max_threads, uint32_t max_queue);

/* The server alone: stops it, and starts it again at the same URL. */
void served_halt(void);
void served_again(void);

/* The client alone: closes it, before what it is connected to. */
void served_disconnect(void);

/* The checked fixture's teardown. */
void served_end(void);

/* For tilery_client_open, with what a client of that transport needs. */
struct tilery_client_options served_client_options(const char *url, uint64_t connect_timeout_ms);

/* Leaves others some time, between two looks at what is waited for. */
void served_pause(void);

/* Another client, and one that tries nothing twice. They end with tilery_client_close. */
tilery_client *served_connect(const char *url);
tilery_client *served_connect_once(const char *url);

/* Fails with what served.error says unless the call ended so. */
#define check_status(call, wanted)                                                         \
    do {                                                                                   \
        enum tilery_status got_ = (call);                                                  \
        ck_assert_msg(got_ == (wanted), "%s gave %s: %s", #call, tilery_status_name(got_), \
                      got_ != TILERY_OK ? served.error.message : "no error");              \
    } while (0)

/* The documented part of the plane, in up to 100 steps, without a time limit that matters. */
struct tilery_compute_request served_request(uint32_t width, uint32_t height, uint32_t tile_w,
                                             uint32_t tile_h, uint32_t num_threads);

/* One tile within the main cardioid, 65,535 steps a pixel, which is many minutes' work for one thread. */
struct tilery_compute_request served_endless(void);

/* Runs it for its status alone. timeout_ms may be 0, request_id NULL. */
enum tilery_status served_compute(tilery_client *client, const struct tilery_compute_request *request,
                                  uint64_t timeout_ms, const char *request_id);

/* Fails unless so many threads, all that the server has, are free before a stream's lease could run out. */
void served_check_free(uint32_t threads);

/* The server's counters and gauges; its methods have gone. */
struct tilery_stats served_stats(void);

/* How many streams the server has open. */
uint64_t served_streams(void);

/* A stream of that request. Ends with tilery_stream_close. */
tilery_stream *served_stream(const struct tilery_compute_request *request, const char *request_id);

/* Returns when the only thread of a server is taken by a run that stays. */
void served_wait_busy(tilery_client *client);

/* Cancels it by id, as soon as the server knows of it. */
void served_cancel(tilery_client *client, const char *request_id);

/* Waits as long as the server is UNAVAILABLE. */
void served_wait_healthy(tilery_client *client);

/* Health checks that follow each other without a pause, several at a time, until the server cannot be
 * reached. */
struct callers {
    tilery_client *client;
    atomic_uint calling, called;
};

/* Returns when they are at it. */
void callers_start(struct callers *callers, tilery_client *client);

/* Returns when all have ended. */
void callers_wait(struct callers *callers);

/* How an asynchronous call ended, and how often. */
struct ending {
    sem_t over;
    atomic_uint times;
    enum tilery_status status;
    uint64_t pixels; /* of a result's summary */
};

void ending_init(struct ending *ending);

/* Starts the call; it must start. timeout_ms may be 0, request_id NULL. */
void ending_of(struct ending *ending, tilery_client *client, const struct tilery_compute_request *request,
               uint64_t timeout_ms, const char *request_id);
enum tilery_status ending_wait(struct ending *ending);

#endif
