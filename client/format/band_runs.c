/* The runs that bands come of: one stream each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "band_runs.h"

#define CANCEL_TIMEOUT_MS 2000
#define RANDOM_ID_BYTES 33
#define PART_DIGITS 12

void bands_leave(struct bands *bands)
{
    bool last;

    pthread_mutex_lock(&bands->mutex);
    last = --bands->refs == 0;
    pthread_mutex_unlock(&bands->mutex);
    if (!last)
        return;
    pthread_mutex_destroy(&bands->mutex);
    free(bands);
}

static void on_opened(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct band *band = arg;
    struct bands *bands = band->bands;
    tilery_stream_notify_fn *notify = NULL;
    void *notify_arg;
    bool dropped;

    pthread_mutex_lock(&bands->mutex);
    dropped = bands->dropped;
    band->stream = dropped ? NULL : stream;
    band->state = stream != NULL ? BAND_OPEN : BAND_FAILED;
    if (error != NULL)
        band->error = *error;
    notify_arg = bands->notify_arg;
    if (band == &bands->band[bands->current]) {
        notify = bands->notify;
        bands->notify = NULL;
    }
    pthread_mutex_unlock(&bands->mutex);
    if (dropped)
        (void)tilery_stream_drop(stream);
    bands_leave(bands);
    if (notify != NULL)
        notify(notify_arg);
}

/* A name of the run's own, as the one before may still be known: a part of the caller's, which Cancel ends by
 * that, and never it, as a stream that is done with is cancelled too. */
static void name_run(struct band *band)
{
    const char *name = band->bands->name;
    char random[RANDOM_ID_BYTES];

    tilery_random_id(random);
    if (name == NULL)
        memcpy(band->id, random, sizeof random);
    else
        (void)snprintf(band->id, sizeof band->id, "%.*s/%.*s", BAND_ID_BYTES - PART_DIGITS - 2, name,
                       PART_DIGITS, random);
}

static void open_stream(struct band *band)
{
    struct bands *bands = band->bands;
    struct tilery_compute_request request = bands->request;
    struct tilery_call_options call = {.timeout_ms = bands->timeout_ms,
                                       .open_timeout_ms = bands->open_timeout_ms,
                                       .traceparent = bands->traceparent,
                                       .wait_for_ready = bands->wait_for_ready};
    struct tilery_error error;

    name_run(band);
    call.request_id = band->id;
    if (tilery_compute_request_bytes(&request) != 0) { /* else the server says what is wrong with all of it */
        request.first_task = band->first_tiles * bands->columns_of_tiles;
        request.task_count = divide_up(band->rows, request.tile_h) * bands->columns_of_tiles;
    }
    pthread_mutex_lock(&bands->mutex);
    bands->refs++;
    band->state = BAND_OPENING;
    band->stream = NULL;
    pthread_mutex_unlock(&bands->mutex);
    if (tilery_stream_open_async(bands->client, &request, &call, on_opened, band, &error) != TILERY_OK)
        on_opened(band, NULL, &error);
}

void band_begin(struct bands *bands, struct band *band)
{
    const struct tilery_compute_request *request = &bands->request;
    uint64_t rows = least(bands->band_rows, bands->rows_of_tiles - bands->next);

    *band =
        (struct band){.bands = bands, .first_row = bands->next * request->tile_h, .first_tiles = bands->next};
    if (rows == 0)
        return;
    band->rows = least(rows * request->tile_h, request->height - band->first_row);
    bands->next += rows;
    open_stream(band);
}

/* The old stream holds the client until the new one is being opened. */
void band_begin_again(struct band *band)
{
    tilery_stream *old = band->stream;

    band->again = true;
    open_stream(band);
    (void)tilery_stream_drop(old);
}

/* An opening that is cancelled too early, or too late, ends with on_opened all the same. */
void band_drop(struct band *band, enum band_state state)
{
    const struct tilery_call_options soon = {.timeout_ms = CANCEL_TIMEOUT_MS};

    if (state == BAND_OPENING)
        (void)!tilery_cancel_async(band->bands->client, band->id, &soon, NULL, NULL, NULL);
    else
        (void)tilery_stream_drop(band->stream);
}
