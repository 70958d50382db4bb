#include "loop.h"

#include <check.h>
#include <limits.h>
#include <semaphore.h>
#include <string.h>

#include "served.h"

void loop_start(struct loop *loop)
{
    pthread_mutex_init(&loop->mutex, NULL);
    pthread_cond_init(&loop->changed, NULL);
    loop->first = NULL;
    loop->last = &loop->first;
}

void loop_end(struct loop *loop)
{
    pthread_cond_destroy(&loop->changed);
    pthread_mutex_destroy(&loop->mutex);
}

/* The mutex is held. */
static void enter(struct reader *reader)
{
    reader->next = NULL;
    *reader->loop->last = reader;
    reader->loop->last = &reader->next;
    pthread_cond_signal(&reader->loop->changed);
}

static void on_open(void *arg, tilery_stream *stream, const struct tilery_error *error)
{
    struct reader *reader = arg;

    ck_assert((stream == NULL) == (error != NULL));
    pthread_mutex_lock(&reader->loop->mutex);
    reader->openings++;
    reader->stream = stream;
    reader->over = stream == NULL;
    if (error != NULL) {
        reader->error = *error;
        reader->status = error->status;
    }
    enter(reader);
    pthread_mutex_unlock(&reader->loop->mutex);
}

static void on_ready(void *arg)
{
    struct reader *reader = arg;

    pthread_mutex_lock(&reader->loop->mutex);
    reader->calls++;
    enter(reader);
    pthread_mutex_unlock(&reader->loop->mutex);
}

void reader_start(struct reader *reader, struct loop *loop, tilery_client *client,
                  const struct tilery_compute_request *request, const struct tilery_call_options *options)
{
    memset(reader, 0, sizeof *reader);
    reader->loop = loop;
    reader->request = *request;
    check_status(tilery_stream_open_async(client, request, options, on_open, reader, &served.error),
                 TILERY_OK);
}

void reader_end(struct reader *reader)
{
    (void)tilery_stream_drop(reader->stream);
    picture_free(&reader->picture);
}

struct reader *loop_take(struct loop *loop)
{
    struct reader *reader;

    pthread_mutex_lock(&loop->mutex);
    while ((reader = loop->first) == NULL)
        pthread_cond_wait(&loop->changed, &loop->mutex);
    loop->first = reader->next;
    if (loop->first == NULL)
        loop->last = &loop->first;
    pthread_mutex_unlock(&loop->mutex);
    ck_assert_uint_eq(reader->openings, 1);
    return reader;
}

void reader_ask(struct reader *reader)
{
    if (!tilery_stream_notify(reader->stream, on_ready, reader))
        on_ready(reader);
}

unsigned reader_calls(struct reader *reader)
{
    unsigned calls;

    pthread_mutex_lock(&reader->loop->mutex);
    calls = reader->calls;
    pthread_mutex_unlock(&reader->loop->mutex);
    return calls;
}

void reader_open(struct reader *reader, struct loop *loop, tilery_client *client,
                 const struct tilery_compute_request *request, const struct tilery_call_options *options)
{
    reader_start(reader, loop, client, request, options);
    ck_assert_ptr_eq(loop_take(loop), reader);
    ck_assert_msg(reader->stream != NULL, "%s", reader->error.message);
}

void reader_wait(struct reader *reader)
{
    reader_ask(reader);
    ck_assert_ptr_eq(loop_take(reader->loop), reader);
}

bool reader_read(struct reader *reader, unsigned tiles)
{
    while (!reader->over && tiles-- > 0) {
        const struct tilery_tile *tile;
        bool ready;

        reader->status = tilery_stream_try_next(reader->stream, &ready, &tile, &reader->error);
        if (!ready) {
            ck_assert(reader->status == TILERY_OK && tile == NULL);
            return false;
        }
        reader->over = tile == NULL;
        if (tile != NULL && reader->picture.expected == NULL)
            reader->picture = picture_of(&reader->request);
        if (tile != NULL)
            picture_add(&reader->picture, tile);
    }
    return true;
}

void loop_run(struct loop *loop, unsigned readers)
{
    while (readers > 0) {
        struct reader *reader = loop_take(loop);

        if (!reader_read(reader, UINT_MAX))
            reader_ask(reader);
        readers -= reader->over;
    }
}

void reader_check(const struct reader *reader)
{
    ck_assert_msg(reader->status == TILERY_OK, "%s: %s", tilery_status_name(reader->status),
                  reader->error.message);
    picture_check(&reader->picture, 0, (uint32_t)reader->picture.grid.tiles);
    ck_assert_uint_eq(tilery_stream_tiles_received(reader->stream), reader->picture.grid.tiles);
}

static void wake(void *arg)
{
    sem_post(arg);
}

enum tilery_status read_when_told(tilery_stream *stream, unsigned *told)
{
    const struct tilery_tile *tile;
    enum tilery_status status;
    bool ready;
    sem_t some;

    sem_init(&some, 0, 0);
    for (*told = 0;;) {
        status = tilery_stream_try_next(stream, &ready, &tile, &served.error);
        if (ready && tile == NULL)
            return status;
        if (ready || !tilery_stream_notify(stream, wake, &some))
            continue;
        while (sem_wait(&some) != 0)
            continue;
        ++*told;
    }
}
