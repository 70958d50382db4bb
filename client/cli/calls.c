/* Calls that end when they are over, or when a signal comes. */
#include "calls.h"

#include <pthread.h>
#include <stdlib.h>

#include "terminal.h"
#include "watch.h"

#define CANCEL_TIMEOUT_MS 1000u

/* Shared by who waits and by the library's thread that tells of the end: the last of them frees it. */
struct call {
    pthread_mutex_t mutex;
    bool over, left; /* it was told of; nobody waits for that any more */
    struct waker waker;
    struct tilery_error error; /* status: OK where it went well */
    tilery_result *result;
    tilery_stream *stream;
};

static struct call *new_call(void)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL || !waker_open(&call->waker)) {
        free(call);
        return NULL;
    }
    pthread_mutex_init(&call->mutex, NULL);
    return call;
}

static void free_call(struct call *call)
{
    tilery_result_free(call->result);
    (void)tilery_stream_drop(call->stream);
    waker_close(&call->waker);
    pthread_mutex_destroy(&call->mutex);
    free(call);
}

static void end_call(struct call *call, tilery_result *result, tilery_stream *stream,
                     const struct tilery_error *error)
{
    bool left;

    pthread_mutex_lock(&call->mutex);
    call->result = result;
    call->stream = stream;
    if (error != NULL)
        call->error = *error;
    call->over = true;
    left = call->left;
    if (!left)
        waker_tell(&call->waker);
    pthread_mutex_unlock(&call->mutex);
    if (left)
        free_call(call);
}

static void on_computed(void *arg, tilery_result *result, const struct tilery_error *error)
{
    end_call(arg, result, NULL, error);
}

static void on_opened(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    end_call(arg, NULL, stream, error);
}

/* Whether it is over, and not just ended by a signal. */
static bool wait_for(struct call *call, const struct cli_options *options)
{
    bool told = false;

    while (!told && *options->ended == 0)
        watch_take(NULL, waker_wait(&call->waker, options, -1, &told));
    return *options->ended == 0;
}

/* The call is gone then, or when its end is told of. */
static void leave(struct call *call, tilery_client *client, const char *id)
{
    const struct tilery_call_options soon = {.timeout_ms = CANCEL_TIMEOUT_MS};
    struct tilery_error error;
    bool over, found;

    pthread_mutex_lock(&call->mutex);
    over = call->over;
    call->left = true;
    pthread_mutex_unlock(&call->mutex);
    if (over)
        free_call(call);
    else
        (void)!tilery_cancel(client, id, &soon, &found, &error);
}

/* Exactly one of result and stream is asked for. */
static enum tilery_status start_and_wait(tilery_client *client, const struct cli_options *options,
                                         const struct tilery_compute_request *request, tilery_result **result,
                                         tilery_stream **stream, struct tilery_error *error)
{
    struct tilery_call_options about = options->call;
    struct call *call = new_call();
    char id[33];

    *error = (struct tilery_error){.status = TILERY_RESOURCE_EXHAUSTED,
                                   .message = "no memory or descriptors for a call"};
    if (call == NULL)
        return error->status;
    tilery_random_id(id);
    if (about.request_id == NULL)
        about.request_id = id;
    if ((result != NULL
             ? tilery_compute_async(client, request, &about, on_computed, call, error)
             : tilery_stream_open_async(client, request, &about, on_opened, call, error)) != TILERY_OK) {
        free_call(call);
        return error->status;
    }
    if (!wait_for(call, options)) {
        leave(call, client, about.request_id);
        return error->status = TILERY_CANCELLED;
    }
    pthread_mutex_lock(&call->mutex); /* held by who told of the end, until done with the call */
    *error = call->error;
    if (result != NULL)
        *result = call->result;
    else
        *stream = call->stream;
    call->result = NULL;
    call->stream = NULL;
    pthread_mutex_unlock(&call->mutex);
    free_call(call);
    return error->status;
}

enum tilery_status call_compute(tilery_client *client, const struct cli_options *options,
                                const struct tilery_compute_request *request, tilery_result **out,
                                struct tilery_error *error)
{
    return start_and_wait(client, options, request, out, NULL, error);
}

enum tilery_status call_stream_open(tilery_client *client, const struct cli_options *options,
                                    tilery_stream **out, struct tilery_error *error)
{
    return start_and_wait(client, options, &options->request, NULL, out, error);
}
