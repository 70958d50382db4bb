/* A run's events: made, kept for a while, and framed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "events.h"
#include "run.h"

/* How soon a browser comes again. */
#define RETRY "retry: 1000\n"

static const char *const names[] = {[EVENT_RUN] = "run",
                                    [EVENT_TILE] = "tile",
                                    [EVENT_SUMMARY] = "summary",
                                    [EVENT_FAILURE] = "failure",
                                    [EVENT_END] = "end"};

/* ---- Kept ---- */

static struct event *new_event(enum event_type type, size_t size)
{
    struct event *event = malloc(sizeof *event + size);

    if (event != NULL)
        *event = (struct event){.type = type};
    return event;
}

static size_t size_of(const struct event *event)
{
    return sizeof *event + event->len + event->counts;
}

static void forget_first(struct run *run)
{
    struct event *event = run->first;

    run->first = event->next;
    if (run->first == NULL)
        run->last = NULL;
    run->kept -= size_of(event);
    free(event);
}

void run_forget_events(struct run *run)
{
    while (run->first != NULL)
        forget_first(run);
}

/* Every other event has been sent: those that leave no room for this one are forgotten. */
static void keep(struct run *run, struct event *event, const char *end)
{
    struct event *shorter;

    event->len = (size_t)(end - event->json);
    shorter = realloc(event, size_of(event));
    if (shorter != NULL)
        event = shorter;
    while (run->first != NULL && run->kept + size_of(event) > run->keep_bytes)
        forget_first(run);
    event->number = ++run->count;
    *(run->last != NULL ? &run->last->next : &run->first) = event;
    run->last = event;
    run->kept += size_of(event);
}

/* ---- Made: false where there is no memory ---- */

static bool make_run(struct run *run)
{
    struct event *event = new_event(EVENT_RUN, EVENTS_RUN_BYTES);

    if (event == NULL)
        return false;
    keep(run, event, events_run(event->json, run->id, run->stream, &run->request, &run->options));
    return true;
}

static bool make_tile(struct run *run, const struct tilery_tile *tile)
{
    size_t counts = (size_t)tile->columns * tile->rows * sizeof *tile->counts;
    struct event *event = new_event(EVENT_TILE, EVENTS_TILE_BYTES + counts);
    char *end;

    if (event == NULL)
        return false;
    run->tiles++;
    end = events_tile(event->json, tile);
    event->counts = counts;
    memcpy(end, tile->counts, counts);
    keep(run, event, end);
    return true;
}

static bool make_summary(struct run *run)
{
    struct event *event = new_event(EVENT_SUMMARY, events_summary_bytes(run->stream));
    struct tilery_summary summary = tilery_stream_summary(run->stream);

    if (event == NULL)
        return false;
    *run->feed->times = (struct run_times){true, summary.queue_ns, summary.run_ns};
    keep(run, event, events_summary(event->json, run->stream));
    return true;
}

const char *runs_unavailable(const struct tilery_error *error)
{
    return strcmp(error->message, BRIDGE_DRAINS) == 0 ? "The service is shutting down"
                                                      : "The Tilery server cannot be reached";
}

/* The caller's own has been looked at before any server is asked. */
void runs_tell_whose_token(struct tilery_error *error)
{
    char said[sizeof error->message];

    if (error->status != TILERY_UNAUTHENTICATED)
        return;
    memcpy(said, error->message, sizeof said);
    (void)snprintf(error->message, sizeof error->message,
                   "the bridge's own token, of --backend-token-file: %.160s", said);
}

/* As every error is answered, with the code's name behind it. */
static bool make_failure(struct run *run)
{
    json_t *json = json_pack("{s:b, s:s}", "success", 0, "error", run->error.message);
    struct event *event = NULL;
    char *text;

    if (json != NULL && tilery_status_http(run->error.status) == 503)
        (void)json_object_set_new(json, "message", json_string(runs_unavailable(&run->error)));
    if (json != NULL)
        (void)json_object_set_new(json, "code", json_string(tilery_status_name(run->error.status)));
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text != NULL && (event = new_event(EVENT_FAILURE, strlen(text))) != NULL) {
        memcpy(event->json, text, strlen(text));
        keep(run, event, event->json + strlen(text));
    }
    free(text);
    return event != NULL;
}

static bool make_end(struct run *run)
{
    struct event *event = new_event(EVENT_END, 64);

    if (event == NULL)
        return false;
    keep(run, event, event->json + sprintf(event->json, "{\"tiles\":%" PRIu64 "}", run->tiles));
    return true;
}

static void fail(struct run *run, const struct tilery_error *error)
{
    run_drop_stream(run);
    run->error = *error;
    runs_tell_whose_token(&run->error);
    run->stage = RUN_FAILS;
}

static const struct tilery_error no_memory = {.status = TILERY_RESOURCE_EXHAUSTED,
                                              .message = "no memory for the event"};

/* What the stream has next. True: an event was made, or on_ready is to come; else look again. */
static bool take_tile(struct run *run, enum run_made *made)
{
    const struct tilery_tile *tile;
    struct tilery_error error;
    bool ready;

    *made = RUN_WAITS;
    if (run->asked)
        return true;
    if (tilery_stream_try_next(run->stream, &ready, &tile, &error) != TILERY_OK) {
        fail(run, &error);
        return false;
    }
    if (!ready) {
        /* Held for on_ready. */
        run->asked = tilery_stream_notify(run->stream, run_on_ready, run);
        run->refs += run->asked;
        return run->asked;
    }
    *made = RUN_MADE;
    if (!(tile != NULL ? make_tile(run, tile) : make_summary(run))) {
        fail(run, &no_memory);
        return false;
    }
    if (tile == NULL) {
        run_drop_stream(run);
        run->stage = RUN_ENDS;
    }
    return true;
}

/* What it takes from now on is itself, and what is kept. */
static void settle(struct run *run)
{
    uint64_t share = sizeof *run + run->kept;

    run->stage = RUN_OVER;
    budget_change(run->runs->options.budget, run->share, share);
    run->share = share;
}

enum run_made run_make(struct run *run)
{
    enum run_made made;

    switch (run->stage) {
    case RUN_BEGINS:
        run->stage = RUN_TILES;
        if (make_run(run))
            return RUN_MADE;
        fail(run, &no_memory);
        return run_make(run);
    case RUN_TILES:
        do
            if (take_tile(run, &made))
                return made;
        while (run->stage == RUN_TILES);
        return run_make(run);
    case RUN_FAILS:
        run->stage = RUN_ENDS;
        return make_failure(run) ? RUN_MADE : RUN_COMPLETE;
    case RUN_ENDS:
        if (!make_end(run))
            return RUN_COMPLETE;
        settle(run);
        return RUN_MADE;
    default:
        return RUN_COMPLETE;
    }
}

/* ---- Framed ---- */

static struct piece text_piece(const char *text)
{
    return (struct piece){text, strlen(text), false};
}

static void set_pieces(struct feed *feed, struct piece json, struct piece counts, const char *tail)
{
    feed->pieces[0] = text_piece(feed->head);
    feed->pieces[1] = json;
    feed->pieces[2] = counts;
    feed->pieces[3] = text_piece(tail);
    feed->piece = 0;
    feed->used = 0;
}

/* https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
void feed_frame(struct feed *feed, const struct event *event)
{
    const char *id = feed->run->id, *name = names[event->type];
    const struct piece counts = {&event->json[event->len], event->counts, true};
    bool tile = event->type == EVENT_TILE;

    if (feed->ndjson) {
        (void)snprintf(feed->head, sizeof feed->head, "{\"event\":\"%s\",\"id\":\"%s/%" PRIu64 "\",", name,
                       id, event->number);
        /* Its members, and the end of the object. */
        set_pieces(feed, (struct piece){event->json + 1, event->len - 1, false}, counts,
                   tile ? EVENTS_TILE_END "\n" : "\n");
    } else {
        (void)snprintf(feed->head, sizeof feed->head,
                       "%sid: %s/%" PRIu64 "\nevent: %s\ndata: ", feed->greeted ? "" : RETRY, id,
                       event->number, name);
        set_pieces(feed, (struct piece){event->json, event->len, false}, counts,
                   tile ? EVENTS_TILE_END "\n\n" : "\n\n");
    }
    feed->greeted = true;
}

void feed_beat(struct feed *feed)
{
    (void)snprintf(feed->head, sizeof feed->head, "%s",
                   feed->ndjson ? "{\"event\":\"heartbeat\"}\n" : ":\n\n");
    set_pieces(feed, text_piece(""), text_piece(""), "");
}
