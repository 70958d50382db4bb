#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/stream_table.h"
#include "wire/condition.h"

/* The bytes of one window: room for a few tiles a thread. */
#define MIN_WINDOW (UINT64_C(4) << 20)
#define MAX_WINDOW (UINT64_C(16) << 20)
#define TILES_A_THREAD 4

enum wire_status streams_create(struct admission *admission, uint64_t window_budget, struct streams **out,
                                struct wire_error *error)
{
    struct streams *streams = calloc(1, sizeof *streams);

    *out = NULL;
    if (streams == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for streams");
    streams->admission = admission;
    streams->window_budget = window_budget;
    streams->lease_ms = STREAM_LEASE_MS;
    pthread_mutex_init(&streams->mutex, NULL);
    condition_init(&streams->changed);
    if (pthread_create(&streams->leases, NULL, streams_watch_leases, streams) != 0) {
        pthread_cond_destroy(&streams->changed);
        pthread_mutex_destroy(&streams->mutex);
        free(streams);
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no thread for streams");
    }
    *out = streams;
    return WIRE_OK;
}

void streams_free(struct streams *streams)
{
    if (streams == NULL)
        return;
    streams_cancel_all(streams);
    pthread_mutex_lock(&streams->mutex);
    streams->closing = true;
    pthread_cond_broadcast(&streams->changed);
    pthread_mutex_unlock(&streams->mutex);
    pthread_join(streams->leases, NULL);
    pthread_cond_destroy(&streams->changed);
    pthread_mutex_destroy(&streams->mutex);
    free(streams);
}

struct streams_load streams_load(struct streams *streams)
{
    struct streams_load load;

    pthread_mutex_lock(&streams->mutex);
    load = (struct streams_load){.open = streams->count, .window_bytes = streams->bytes};
    pthread_mutex_unlock(&streams->mutex);
    return load;
}

/* ---- The table; its mutex is held ---- */

struct stream *stream_find(const struct streams *streams, const char *id)
{
    struct stream *stream = streams->first;

    while (stream != NULL && strcmp(stream->id, id) != 0)
        stream = stream->next;
    return stream;
}

char *stream_find_cancelled(struct streams *streams, const char *id)
{
    for (unsigned i = 0; i < STREAM_CANCELLED_KEPT; i++)
        if (strcmp(streams->cancelled[i], id) == 0)
            return streams->cancelled[i];
    return NULL;
}

static void remember_cancelled(struct streams *streams, const char *id)
{
    unsigned at = streams->cancelled_next++ % STREAM_CANCELLED_KEPT;

    (void)snprintf(streams->cancelled[at], sizeof streams->cancelled[at], "%s", id);
}

static void add(struct streams *streams, struct stream *stream)
{
    struct stream **last = &streams->first;

    while (*last != NULL)
        last = &(*last)->next;
    *last = stream;
    streams->count++;
    streams->bytes += stream->window_bytes;
}

bool stream_take_out(struct streams *streams, struct stream *stream, enum wire_status why,
                     const char *message)
{
    struct stream **link = &streams->first;

    while (*link != NULL && *link != stream)
        link = &(*link)->next;
    if (*link == NULL)
        return false;
    *link = stream->next;
    if (stream_is_overdue(stream)) /* as its reader may have been told already */
        stream->error = stream_overdue;
    else if (stream->error.status == WIRE_OK)
        wire_error_set(&stream->error, why, "%s", message);
    streams->count--;
    streams->bytes -= stream->window_bytes;
    pthread_cond_broadcast(&streams->changed);
    return true;
}

struct poll *stream_take_poll(struct stream *stream)
{
    struct poll *poll = stream->poll;

    stream->poll = NULL;
    if (poll != NULL)
        stream_renew(stream);
    return poll;
}

/* ---- Streams ---- */

static void free_stream(struct stream *stream)
{
    run_free(stream->run);
    window_free(stream->window);
    free(stream);
}

void stream_release(struct stream *stream)
{
    struct streams *streams = stream->streams;
    bool last;

    pthread_mutex_lock(&streams->mutex);
    last = --stream->refs == 0;
    pthread_mutex_unlock(&streams->mutex);
    if (last)
        free_stream(stream);
}

struct wire_error stream_error(const struct stream *stream)
{
    struct wire_error error;

    pthread_mutex_lock(&stream->streams->mutex);
    error = stream_is_overdue(stream) ? stream_overdue : stream->error;
    pthread_mutex_unlock(&stream->streams->mutex);
    return error;
}

void stream_end(struct stream *stream, const struct poll *poll)
{
    struct wire_error why = stream_error(stream);

    if (poll != NULL)
        rpc_call_fail(poll->call, &why);
    admission_cancel(&stream->job, why.status); /* first: a run whose threads find no reader ends by itself */
    window_abandon(stream->window);
    stream_release(stream);
}

/* The end of the stream's run. It cannot have run out of memory half-way and look whole. */
static void on_run_end(struct job *job, const struct wire_error *why)
{
    struct stream *stream = (struct stream *)(void *)job;
    struct wire_error error = *why;

    if (error.status == WIRE_OK) {
        struct run_summary summary = run_summary(stream->run);

        if (summary.tiles_done != summary.tiles_planned && !summary.time_limited)
            wire_error_set(&error, WIRE_RESOURCE_EXHAUSTED, "no memory for the tiles; try again");
    }
    pthread_mutex_lock(&stream->streams->mutex);
    stream->ended = true;
    error.retry_after_ms = 0; /* it is said to who asks for tiles, and there will be none */
    if (stream->error.status == WIRE_OK)
        stream->error = error;
    stream->delivered |= stream->error.status != WIRE_OK;
    pthread_cond_broadcast(&stream->streams->changed);
    pthread_mutex_unlock(&stream->streams->mutex);
    window_end(stream->window);
    stream_release(stream);
}

/* ---- OpenStream ---- */

/* No more than all tiles take. */
static size_t window_size(const struct run_spec *spec, uint64_t tile)
{
    uint64_t bytes = tile * spec->num_threads * TILES_A_THREAD, all = tile * spec->task_count;

    if (bytes < MIN_WINDOW)
        bytes = MIN_WINDOW;
    else if (bytes > MAX_WINDOW)
        bytes = tile > MAX_WINDOW ? tile : MAX_WINDOW;
    return all < bytes ? all : bytes;
}

static struct window_packed pack(void *arg, const struct run_record *record, struct tile tile,
                                 uint16_t *counts)
{
    const struct stream *stream = arg;

    return service_pack_tile(&run_spec(stream->run)->grid, record, tile, stream->encodings, counts);
}

static bool make_run(struct stream *stream, const struct run_spec *spec)
{
    struct tile largest = grid_tile(&spec->grid, 0);
    struct window_options options = {.tile_counts = (size_t)largest.columns * largest.rows,
                                     .pack = pack,
                                     .ready = stream_on_ready,
                                     .arg = stream};
    struct run_sink sink;

    stream->tile_bytes = WINDOW_TILE_BYTES(options.tile_counts);
    stream->window_bytes = options.bytes = window_size(spec, stream->tile_bytes);
    if (window_create(&options, &stream->window) != WIRE_OK)
        return false;
    sink = window_sink(stream->window);
    return run_create(spec, &sink, admission_run_done, &stream->job, &stream->run) == ENGINE_OK;
}

static struct stream *new_stream(struct streams *streams, const char *id, const struct run_spec *spec,
                                 unsigned encodings)
{
    struct stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    stream->streams = streams;
    stream->refs = 1;
    stream->encodings = encodings;
    (void)snprintf(stream->id, sizeof stream->id, "%s", id);
    if (!make_run(stream, spec)) {
        free_stream(stream);
        return NULL;
    }
    stream->job = (struct job){.admission = streams->admission,
                               .request_id = stream->id,
                               .run = stream->run,
                               .stream = true,
                               .finish = on_run_end};
    return stream;
}

/* The oldest of those that are only kept for their last reply; NULL when there is none. */
static struct stream *take_delivered(struct streams *streams)
{
    struct stream *stream = streams->first;

    while (stream != NULL && !(stream->delivered && stream->ended))
        stream = stream->next;
    if (stream != NULL)
        (void)stream_take_out(streams, stream, WIRE_NOT_FOUND,
                              "the stream was read to its end and has made room");
    return stream;
}

/* The mutex is held, and let go for a while to make room. */
static enum wire_status check_room(struct streams *streams, size_t bytes, struct wire_error *error)
{
    struct stream *old;

    while (streams->count >= SERVICE_MAX_STREAMS ||
           (streams->count != 0 && streams->bytes + bytes > streams->window_budget)) {
        old = take_delivered(streams);
        if (old == NULL)
            return wire_error_set(
                error, WIRE_RESOURCE_EXHAUSTED,
                "%u streams are open already, whose windows may take %llu of %llu bytes; try again",
                streams->count, (unsigned long long)streams->bytes,
                (unsigned long long)streams->window_budget);
        pthread_mutex_unlock(&streams->mutex);
        stream_release(old);
        pthread_mutex_lock(&streams->mutex);
    }
    return WIRE_OK;
}

static enum wire_status enter(struct streams *streams, struct stream *stream, struct wire_error *error)
{
    enum wire_status status;
    char *cancelled;

    pthread_mutex_lock(&streams->mutex);
    status = check_room(streams, stream->window_bytes, error);
    if (status == WIRE_OK && stream_find(streams, stream->id) != NULL)
        status = wire_error_set(error, WIRE_ALREADY_EXISTS, "request_id \"%s\" is in use", stream->id);
    if (status == WIRE_OK) {
        while ((cancelled = stream_find_cancelled(streams, stream->id)) != NULL)
            cancelled[0] = '\0';
        stream->refs += 2; /* the table's and the job's */
        stream_renew(stream);
        add(streams, stream);
        pthread_cond_broadcast(&streams->changed);
    }
    pthread_mutex_unlock(&streams->mutex);
    return status;
}

/* Undoes enter for a stream whose run was refused. Somebody may have found it meanwhile, and wait for a tile.
 */
static void leave(struct stream *stream, const struct wire_error *why)
{
    struct poll *poll;

    pthread_mutex_lock(&stream->streams->mutex);
    stream->refs -= stream_take_out(stream->streams, stream, why->status, why->message)
                        ? 2
                        : 1; /* the table's, and the job's */
    poll = stream_take_poll(stream);
    pthread_mutex_unlock(&stream->streams->mutex);
    if (poll != NULL)
        rpc_call_fail(poll->call, why);
}

static enum wire_status open_new(struct streams *streams, const struct rpc_call *call, const char *id,
                                 const struct run_spec *spec, unsigned encodings, struct wire_error *error)
{
    struct stream *stream = new_stream(streams, id, spec, encodings);
    enum wire_status status;

    if (stream == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the stream; try again");
    stream->opener = rpc_call_connection(call);
    stream->run_until_ns = rpc_call_deadline_ns(call);
    status = enter(streams, stream, error);
    if (status == WIRE_OK) {
        status = admission_submit(&stream->job, error);
        if (status != WIRE_OK)
            leave(stream, error);
    }
    stream_release(stream);
    return status;
}

enum wire_status streams_open(struct streams *streams, struct rpc_call *call, const char *id,
                              const struct run_spec *spec, unsigned encodings, struct wire_error *error)
{
    uint32_t opener = rpc_call_connection(call);
    enum wire_status status = WIRE_OK;

    if (!stream_adopt(streams, id, spec, encodings, opener))
        status = open_new(streams, call, id, spec, encodings, error);
    if (status == WIRE_OK && rpc_call_is_gone(call))
        streams_connection_gone(streams, opener);
    return status;
}

/* ---- Ends ---- */

bool streams_cancel(struct streams *streams, const char *id)
{
    struct stream *stream;
    struct poll *poll = NULL;

    pthread_mutex_lock(&streams->mutex);
    for (stream = streams->first; stream != NULL && !service_is_part(stream->id, id);)
        stream = stream->next;
    if (stream != NULL) {
        if (!stream->delivered)
            remember_cancelled(streams, stream->id);
        (void)stream_take_out(streams, stream, WIRE_CANCELLED, "the stream was cancelled");
        poll = stream_take_poll(stream);
    }
    pthread_mutex_unlock(&streams->mutex);
    if (stream != NULL)
        stream_end(stream, poll);
    return stream != NULL;
}

void streams_cancel_all(struct streams *streams)
{
    struct stream *stream;
    struct poll *poll;

    for (;;) {
        pthread_mutex_lock(&streams->mutex);
        stream = streams->first;
        poll = NULL;
        if (stream != NULL) {
            (void)stream_take_out(streams, stream, WIRE_UNAVAILABLE, "the server is shutting down");
            poll = stream_take_poll(stream);
        }
        pthread_mutex_unlock(&streams->mutex);
        if (stream == NULL)
            return;
        stream_end(stream, poll);
    }
}
