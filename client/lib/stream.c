/* Streams: opened, waited for, closed. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "wire/clock.h"

/* ---- Steps ---- */

static void free_stream(tilery_stream *stream)
{
    tilery_client *client = stream->client;

    client_run_over(client, &stream->open_run);
    if (stream->reply != NULL)
        nng_msg_free(stream->reply);
    batch_fini(&stream->batch);
    pthread_mutex_destroy(&stream->mutex);
    free(stream->delivered);
    free(stream->kernel);
    free(stream->traceparent);
    free(stream);
    client_release(client);
}

bool stream_go(tilery_stream *stream, enum stream_state state)
{
    bool on;

    pthread_mutex_lock(&stream->mutex);
    on = !stream->dropped;
    if (on) {
        stream->state = state;
        stream->refs++;
    }
    pthread_mutex_unlock(&stream->mutex);
    return on;
}

void stream_leave(tilery_stream *stream)
{
    void (*gone)(void *arg);
    void *gone_arg;
    bool last;

    pthread_mutex_lock(&stream->mutex);
    last = --stream->refs == 0;
    gone = stream->gone;
    gone_arg = stream->gone_arg;
    pthread_mutex_unlock(&stream->mutex);
    if (!last)
        return;
    free_stream(stream);
    if (gone != NULL)
        gone(gone_arg);
}

void stream_show(tilery_stream *stream, enum stream_state state)
{
    tilery_stream_notify_fn *notify = stream->notify;
    void *arg = stream->notify_arg;

    stream->state = state;
    stream->notify = NULL;
    pthread_mutex_unlock(&stream->mutex);
    if (notify != NULL)
        notify(arg);
}

void stream_over(tilery_stream *stream, const struct wire_error *error)
{
    pthread_mutex_lock(&stream->mutex);
    stream->error = *error;
    stream_show(stream, STREAM_OVER);
}

/* ---- Open ---- */

/* Of a text that may be NULL. False: there is no memory. */
static bool copy(char **out, const char *text)
{
    *out = text != NULL ? strdup(text) : NULL;
    return *out != NULL || text == NULL;
}

static tilery_stream *new_stream(tilery_client *client, const struct tilery_compute_request *request,
                                 const struct tilery_call_options *options)
{
    tilery_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    client_hold(client);
    stream->client = client;
    stream->refs = 1;
    stream->request = *request;
    stream->time_limit_ms = request->time_limit_ms;
    stream->plan = plan_of(request);
    atomic_init(&stream->read_ns, wire_now_ns());
    stream->wait_for_ready = options->wait_for_ready;
    stream->deadline_ns = options->timeout_ms != 0 ? wire_after_ms(options->timeout_ms) : UINT64_MAX;
    batch_init(&stream->batch);
    pthread_mutex_init(&stream->mutex, NULL);
    if (options->request_id != NULL)
        (void)snprintf(stream->id, sizeof stream->id, "%s", options->request_id);
    stream->delivered = calloc(stream->plan.count / 8 + 1, 1);
    if (copy(&stream->kernel, request->kernel) && copy(&stream->traceparent, options->traceparent) &&
        stream->delivered != NULL) {
        stream->request.kernel = stream->kernel;
        return stream;
    }
    free_stream(stream);
    return NULL;
}

/* 0: the library's longest. */
static uint64_t opening_ms(const struct tilery_call_options *options)
{
    uint64_t most = options->timeout_ms, opening = options->open_timeout_ms;

    return opening != 0 && (most == 0 || opening < most) ? opening : most;
}

enum tilery_status tilery_stream_open_async(tilery_client *client,
                                            const struct tilery_compute_request *request,
                                            const struct tilery_call_options *options,
                                            tilery_stream_open_fn *done, void *arg,
                                            struct tilery_error *error)
{
    static const struct tilery_call_options no_options;
    tilery_stream *stream;
    struct wire_error why;

    if (options == NULL)
        options = &no_options;
    if (call_check_id(options->request_id, &why) != WIRE_OK)
        return call_error(error, &why);
    stream = new_stream(client, request, options);
    if (stream == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the stream");
        return call_error(error, &why);
    }
    stream->opened = done;
    stream->opened_arg = arg;
    if (stream_begin(stream, opening_ms(options), &why) == WIRE_OK)
        return TILERY_OK;
    free_stream(stream);
    return call_error(error, &why);
}

struct opening {
    sem_t over;
    tilery_stream *stream;
    struct tilery_error error;
};

static void finish_opening(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct opening *opening = arg;

    opening->stream = stream;
    if (error != NULL)
        opening->error = *error;
    sem_post(&opening->over);
}

static void wait_for(sem_t *over)
{
    while (sem_wait(over) != 0)
        continue;
}

enum tilery_status tilery_stream_open(tilery_client *client, const struct tilery_compute_request *request,
                                      const struct tilery_call_options *options, tilery_stream **out,
                                      struct tilery_error *error)
{
    struct opening opening = {.stream = NULL};
    enum tilery_status status;

    *out = NULL;
    sem_init(&opening.over, 0, 0);
    status = tilery_stream_open_async(client, request, options, finish_opening, &opening, error);
    if (status == TILERY_OK)
        wait_for(&opening.over);
    sem_destroy(&opening.over);
    if (status != TILERY_OK)
        return status;
    *out = opening.stream;
    if (*out != NULL)
        return TILERY_OK;
    if (error != NULL)
        *error = opening.error;
    return opening.error.status;
}

/* ---- Wait ---- */

bool tilery_stream_notify(tilery_stream *stream, tilery_stream_notify_fn *fn, void *arg)
{
    bool left = batch_has_more(&stream->batch), failed, ready;

    do {
        pthread_mutex_lock(&stream->mutex);
        failed = !left && stream->state == STREAM_READY && stream->reply == NULL;
        ready = left || stream->state == STREAM_READY || stream->state == STREAM_OVER;
        stream->dry = !left;
        if (failed) {
            stream->state = STREAM_READING;
        } else if (!ready) {
            stream->notify = fn;
            stream->notify_arg = arg;
        }
        pthread_mutex_unlock(&stream->mutex);
        if (failed)
            stream_recover(stream);
    } while (failed);
    return !ready;
}

static void wake(void *arg)
{
    sem_post(arg);
}

void stream_wait(tilery_stream *stream)
{
    sem_t ready;

    sem_init(&ready, 0, 0);
    if (tilery_stream_notify(stream, wake, &ready))
        wait_for(&ready);
    sem_destroy(&ready);
}

/* ---- Close ---- */

static void on_cancelled(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    tilery_stream *stream = arg;

    (void)server;
    (void)error;
    if (reply != NULL)
        nng_msg_free(reply);
    client_farewell_over(stream->client);
    stream_leave(stream);
}

void stream_cancel(tilery_stream *stream)
{
    client_run_over(stream->client, &stream->open_run);
    pthread_mutex_lock(&stream->mutex);
    stream->refs++;
    pthread_mutex_unlock(&stream->mutex);
    client_cancel_run(stream->client, stream->id, stream->server, stream->traceparent, on_cancelled, stream);
}

/* Lets go of it. gone is told when the last call of the stream has ended. */
static bool drop(tilery_stream *stream, void (*gone)(void *arg), void *arg)
{
    bool asked, moving, looking;

    pthread_mutex_lock(&stream->mutex);
    asked = stream->notify != NULL;
    looking = stream->looking;
    moving = stream->state == STREAM_MOVING;
    stream->notify = NULL;
    stream->dropped = true;
    stream->gone = gone;
    stream->gone_arg = arg;
    pthread_mutex_unlock(&stream->mutex);
    if (looking)
        call_wake(stream->client, stream);
    /* Ends the poll under way, too; after the last tile, the server need not keep the last reply. Where it
     * cannot be told, the lease runs out. The server that it moves to is told when it is known. */
    if (moving)
        (void)call_give_up(stream->client, stream->id);
    else
        stream_cancel(stream);
    stream_leave(stream);
    return asked;
}

bool tilery_stream_drop(tilery_stream *stream)
{
    return stream != NULL && drop(stream, NULL, NULL);
}

void tilery_stream_close(tilery_stream *stream)
{
    sem_t gone;

    if (stream == NULL)
        return;
    sem_init(&gone, 0, 0);
    (void)drop(stream, wake, &gone);
    wait_for(&gone);
    sem_destroy(&gone);
}
