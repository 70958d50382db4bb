/* How long a stream is kept that nobody reads, how long its run may take, and waiting for the last. */
#include "engine/clock.h"
#include "service/stream_table.h"
#include "wire/condition.h"

/* Who looks so much later than it meant to was stopped, or starved, and so was who reads the requests: those
 * that came in time may lie unread. */
#define LATE_NS UINT64_C(100000000)

const struct wire_error stream_overdue = {.status = WIRE_DEADLINE_EXCEEDED,
                                          .message = "the stream's time was up before its last tile"};

uint64_t streams_lease_ms(void)
{
    return STREAM_LEASE_MS;
}

bool stream_is_overdue(const struct stream *stream)
{
    return stream->error.status == WIRE_OK && !stream->ended && stream->run_until_ns <= clock_now_ns();
}

void stream_renew(struct stream *stream)
{
    uint64_t lease_ms = stream->orphan ? STREAM_ORPHAN_LEASE_MS : stream->streams->lease_ms;

    stream->lease_until_ns = clock_after_ms(lease_ms + stream->way_ms);
    stream->given_anew = false;
}

void stream_serve(struct stream *stream)
{
    stream->serving++;
    stream->refs++;
    stream->way_ms = 0;
}

void stream_served(struct stream *stream)
{
    pthread_mutex_lock(&stream->streams->mutex);
    stream->serving--;
    stream_renew(stream);
    pthread_mutex_unlock(&stream->streams->mutex);
    stream_release(stream);
}

/* The mutex is held. Whether the lease has run out: one that did while the server stood still is given anew,
 * once. */
static bool has_expired(struct stream *stream, uint64_t now)
{
    if (stream->lease_until_ns > now)
        return false;
    if (stream->given_anew || now - stream->lease_until_ns < LATE_NS)
        return true;
    stream_renew(stream);
    stream->given_anew = true;
    return false;
}

/* The mutex is held. The first whose lease has run out, taken out; NULL and when the next one runs out. */
static struct stream *take_expired(struct streams *streams, uint64_t *next_ns)
{
    uint64_t now = clock_now_ns();

    *next_ns = UINT64_MAX;
    for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
        if (stream->poll != NULL || stream->serving != 0)
            stream_renew(stream); /* its reader waits */
        if (has_expired(stream, now)) {
            (void)stream_take_out(streams, stream, WIRE_CANCELLED, "the stream's lease ran out");
            return stream;
        }
        if (stream->lease_until_ns < *next_ns)
            *next_ns = stream->lease_until_ns;
    }
    return NULL;
}

/* The mutex is held. The first whose run's time is up, with a reference: its reader is told from now on.
 * NULL, and next_ns is brought forward to when the next one's is. */
static struct stream *fail_overdue(const struct streams *streams, uint64_t *next_ns)
{
    uint64_t now = clock_now_ns();

    for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
        if (stream->ended || stream->error.status != WIRE_OK)
            continue;
        if (stream->run_until_ns <= now) {
            stream->error = stream_overdue;
            stream->refs++;
            return stream;
        }
        if (stream->run_until_ns < *next_ns)
            *next_ns = stream->run_until_ns;
    }
    return NULL;
}

/* The mutex is held, and let go for a while. */
static void end_one(struct streams *streams, struct stream *stream)
{
    struct poll *poll = stream_take_poll(stream);

    pthread_mutex_unlock(&streams->mutex);
    stream_end(stream, poll);
    pthread_mutex_lock(&streams->mutex);
}

void *streams_watch_leases(void *arg)
{
    struct streams *streams = arg;

    pthread_mutex_lock(&streams->mutex);
    while (!streams->closing) {
        uint64_t next_ns;
        struct stream *stream = take_expired(streams, &next_ns);

        if (stream == NULL)
            stream = fail_overdue(streams, &next_ns);
        if (stream != NULL)
            end_one(streams, stream);
        else
            (void)condition_wait(&streams->changed, &streams->mutex, next_ns);
    }
    pthread_mutex_unlock(&streams->mutex);
    return NULL;
}

void streams_drain(struct streams *streams)
{
    pthread_mutex_lock(&streams->mutex);
    streams->lease_ms = STREAM_DRAIN_LEASE_MS;
    for (struct stream *stream = streams->first; stream != NULL; stream = stream->next) {
        uint64_t until_ns = clock_after_ms(STREAM_DRAIN_LEASE_MS + stream->way_ms);

        if (stream->lease_until_ns > until_ns)
            stream->lease_until_ns = until_ns;
    }
    pthread_cond_broadcast(&streams->changed);
    pthread_mutex_unlock(&streams->mutex);
}

/* A reader that has got the last reply says so by Cancel. Until then the reply may have been lost: nng drops
 * one that has come when the connection ends before it was asked for. */
bool streams_wait_idle(struct streams *streams, uint64_t timeout_ms)
{
    uint64_t until_ns = clock_after_ms(timeout_ms);
    bool idle;

    pthread_mutex_lock(&streams->mutex);
    while (!(idle = streams->first == NULL))
        if (!condition_wait(&streams->changed, &streams->mutex, until_ns))
            break;
    pthread_mutex_unlock(&streams->mutex);
    return idle;
}
