/* One run, and the feed that is attached to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "base64.h"
#include "run.h"

/* ---- The mutex is held ---- */

static void wake(struct feed *feed)
{
    if (feed == NULL || !feed->waiting)
        return;
    feed->waiting = false;
    MHD_resume_connection(feed->connection);
}

static void cut(struct feed *feed)
{
    feed->cut = true;
    wake(feed);
}

void run_drop_stream(struct run *run)
{
    if (run->stream == NULL)
        return;
    if (tilery_stream_drop(run->stream)) {
        run->asked = false;
        run->refs--; /* on_ready's, which does not come; the caller has one, too */
    }
    run->stream = NULL;
    run->runs->open--;
}

/* ---- Its end ---- */

void run_release(struct run *run)
{
    if (atomic_fetch_sub(&run->refs, 1) != 1)
        return;
    run_forget_events(run);
    budget_change(run->runs->options.budget, run->share, 0);
    pthread_mutex_destroy(&run->mutex);
    free(run);
}

/* The mutex is held. A feed that is attached is still told why. True: the table's hold is the caller's. */
static bool end(struct run *run, enum tilery_status status, const char *why)
{
    bool listed = runs_unlist(run);

    run->ended = true;
    run_drop_stream(run);
    if (run->stage < RUN_FAILS) {
        run->error = (struct tilery_error){.status = status};
        (void)snprintf(run->error.message, sizeof run->error.message, "%s", why);
        run->stage = RUN_FAILS;
    }
    wake(run->feed);
    return listed;
}

bool run_end(struct run *run, enum tilery_status status, const char *why)
{
    bool listed;

    pthread_mutex_lock(&run->mutex);
    listed = end(run, status, why);
    pthread_mutex_unlock(&run->mutex);
    if (listed)
        run_release(run);
    return listed;
}

void run_look(struct run *run, uint64_t now)
{
    bool listed = false;

    pthread_mutex_lock(&run->mutex);
    if (run->due_ns <= now && run->feed == NULL) {
        listed = end(run, TILERY_CANCELLED, "nobody read the run");
    } else if (run->due_ns <= now) {
        runs_set_heartbeat(run);
        run->feed->beat = run->feed->waiting;
        wake(run->feed);
    }
    pthread_mutex_unlock(&run->mutex);
    if (listed)
        run_release(run);
}

/* ---- Reading ---- */

/* On a thread of libtilery. */
void run_on_ready(void *arg)
{
    struct run *run = arg;

    pthread_mutex_lock(&run->mutex);
    run->asked = false;
    wake(run->feed);
    pthread_mutex_unlock(&run->mutex);
    run_release(run);
}

/* As much as fits. */
static size_t copy_of(const struct piece *piece, size_t *used, char *out, size_t size)
{
    size_t len = piece->len - *used < size ? piece->len - *used : size;

    if (piece->base64)
        return (size_t)(format_base64(out, out + size, (const uint8_t *)piece->bytes, piece->len, used) -
                        out);
    if (len != 0)
        memcpy(out, &piece->bytes[*used], len);
    *used += len;
    return len;
}

static size_t copy(struct feed *feed, char *out, size_t size)
{
    size_t copied = 0;

    while (feed->piece < FEED_PIECES && copied < size) {
        const struct piece *piece = &feed->pieces[feed->piece];

        copied += copy_of(piece, &feed->used, &out[copied], size - copied);
        if (feed->used < piece->len)
            break; /* the rest has room in the next buffer */
        feed->piece++;
        feed->used = 0;
    }
    return copied;
}

/* All that was framed has been copied. RUN_MADE: there is something framed again. */
static enum run_made next(struct feed *feed)
{
    struct run *run = feed->run;

    if (feed->upcoming == NULL) {
        enum run_made made = run_make(run);

        if (made == RUN_WAITS && feed->beat) {
            feed->beat = false;
            feed_beat(feed);
            return RUN_MADE;
        }
        if (made != RUN_MADE)
            return made;
        feed->upcoming = run->last;
    }
    feed->beat = false;
    feed_frame(feed, feed->upcoming);
    feed->upcoming = feed->upcoming->next;
    return RUN_MADE;
}

/* The mutex is held. */
static ssize_t fill(struct feed *feed, char *buffer, size_t size)
{
    enum run_made made = RUN_MADE;
    size_t used = 0;

    while (made == RUN_MADE && (used += copy(feed, &buffer[used], size - used)) < size &&
           feed->piece == FEED_PIECES)
        made = next(feed);
    *feed->bytes += used;
    if (used != 0)
        return (ssize_t)used;
    if (made == RUN_COMPLETE)
        return MHD_CONTENT_READER_END_OF_STREAM;
    feed->waiting = true;
    MHD_suspend_connection(feed->connection);
    return 0;
}

ssize_t run_read(void *arg, uint64_t position, char *buffer, size_t size)
{
    struct feed *feed = arg;
    struct run *run = feed->run;
    ssize_t filled = MHD_CONTENT_READER_END_WITH_ERROR;

    (void)position;
    pthread_mutex_lock(&run->mutex);
    if (!feed->cut) {
        runs_set_heartbeat(run);
        filled = fill(feed, buffer, size);
    }
    pthread_mutex_unlock(&run->mutex);
    return filled;
}

/* ---- Attaching ---- */

/* The mutex is held. */
static enum run_attached judge(const struct run *run, uint64_t after)
{
    uint64_t first = run->first != NULL ? run->first->number : 1;

    if (run->ended)
        return RUN_ENDED;
    if (after > run->count)
        return RUN_AHEAD;
    if (after + 1 < first)
        return RUN_FORGOTTEN;
    return run->stage == RUN_OVER && after == run->count ? RUN_SENT : RUN_ATTACHED;
}

/* The mutex is held. */
static void attach(struct run *run, struct feed *feed, uint64_t after)
{
    if (run->feed != NULL)
        cut(run->feed);
    run->refs++;
    run->feed = feed;
    run->spare = false;
    feed->run = run;
    feed->piece = FEED_PIECES; /* nothing is framed */
    feed->upcoming = run->first;
    while (feed->upcoming != NULL && feed->upcoming->number <= after)
        feed->upcoming = feed->upcoming->next;
    tilery_random_id(feed->id);
    runs_name_feed(run, feed->id);
}

enum run_attached run_attach(struct run *run, struct feed *feed, uint64_t after)
{
    enum run_attached found;

    pthread_mutex_lock(&run->mutex);
    found = judge(run, after);
    if (found == RUN_ATTACHED && feed != NULL)
        attach(run, feed, after);
    pthread_mutex_unlock(&run->mutex);
    return found;
}

void run_detach(struct feed *feed)
{
    struct run *run = feed->run;

    pthread_mutex_lock(&run->mutex);
    if (run->feed == feed) {
        run->feed = NULL;
        run->spare = run->stage == RUN_OVER;
        runs_name_feed(run, "");
    }
    pthread_mutex_unlock(&run->mutex);
    run_release(run);
}

bool runs_left(struct runs *runs, const char *feed_id)
{
    struct run *run = runs_find_feed(runs, feed_id);

    if (run == NULL)
        return false;
    pthread_mutex_lock(&run->mutex);
    if (run->feed != NULL && strcmp(run->feed->id, feed_id) == 0)
        cut(run->feed);
    pthread_mutex_unlock(&run->mutex);
    run_release(run);
    return true;
}
