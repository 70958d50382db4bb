#ifndef TILERY_TESTS_LOOP_H
#define TILERY_TESTS_LOOP_H

#include <pthread.h>
#include <stdbool.h>

#include "picture.h"
#include "tilery/client.h"

/*
 * Streams that one thread reads, all at once, without waiting for any of them: those that have something to
 * read, or are open at last, queue up.
 */
struct loop {
    pthread_mutex_t mutex; /* guards all */
    pthread_cond_t changed;
    struct reader *first;
    struct reader **last;
};

struct reader {
    struct loop *loop;
    struct reader *next; /* in the queue */
    tilery_stream *stream;
    struct tilery_compute_request request;
    struct picture picture; /* of the tiles that have come; none before the first */
    struct tilery_error error;
    unsigned openings, calls; /* of the opening's done, of fn: guarded by the loop's mutex */
    bool over;                /* read to its end, or to the error */
    enum tilery_status status;
};

/* Ends with loop_end. */
void loop_start(struct loop *loop);
void loop_end(struct loop *loop);

/* Starts to open the stream; that must start. Ends with reader_end, which drops the stream. options may be
 * NULL. */
void reader_start(struct reader *reader, struct loop *loop, tilery_client *client,
                  const struct tilery_compute_request *request, const struct tilery_call_options *options);
void reader_end(struct reader *reader);

/* The same, waiting until the stream is open, which it must be; no other reader may be under way. */
void reader_open(struct reader *reader, struct loop *loop, tilery_client *client,
                 const struct tilery_compute_request *request, const struct tilery_call_options *options);

/* Waits until the stream has something to read; no other reader may be under way. */
void reader_wait(struct reader *reader);

/* Waits for a reader that is open or has something to read. */
struct reader *loop_take(struct loop *loop);

/* Has the reader queue up when it has something to read. */
void reader_ask(struct reader *reader);

/* How often fn has been called. */
unsigned reader_calls(struct reader *reader);

/* Reads what is there, into the picture, at most so many tiles. False when nothing more is there yet. */
bool reader_read(struct reader *reader, unsigned tiles);

/* Reads so many streams to their ends. */
void loop_run(struct loop *loop, unsigned readers);

/* Fails unless the whole image has come, and once. */
void reader_check(const struct reader *reader);

/* Reads a stream to its end, or to an error, which goes to served.error; told: how often its fn was called.
 */
enum tilery_status read_when_told(tilery_stream *stream, unsigned *told);

#endif
