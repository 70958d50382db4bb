#ifndef TILERY_SERVICE_ADMISSION_H
#define TILERY_SERVICE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/run.h"
#include "wire/status.h"

/*
 * Who runs when. Strictly first come, first served: a job gets all its threads at once or waits in a bounded
 * queue, and nobody behind it goes first. A job that wants more threads than there may ever be runs alone;
 * one that wants more than streams leave runs beside these alone.
 *
 * A stream's threads wait for whoever reads it, so streams together hold at most half of the threads: those
 * that wait for their share alone let others pass, and one that wants more than the share runs alone among
 * streams and counts as the share. They take at most half of the queue, too.
 *
 * Any thread may call any function but admission_free. One mutex guards the queue, the jobs' states and the
 * count of threads; it is never held while finish is called.
 */
struct admission;

enum job_state { JOB_NEW, JOB_QUEUED, JOB_RUNNING, JOB_DONE };

/* The owner's memory, from before admission_submit until finish has been called. The owner fills in the first
 * part. */
struct job {
    struct admission *admission;
    const char *request_id; /* "" for none: then nobody can name it */
    struct run *run;        /* not yet started; its done callback is admission_run_done with the job */
    bool stream;            /* counts against the streams' share */
    /* Called exactly once when the job has ended, unless it was refused. why is OK when the run came to its
     * end. */
    void (*finish)(struct job *job, const struct wire_error *why);

    /* The rest is admission's. */
    struct job *prev, *next; /* in the queue or among the running */
    enum job_state state;
    enum wire_status cancelled; /* OK, or why it was cancelled */
    uint64_t submitted_ns, started_ns;
};

struct admission_options {
    uint32_t max_threads; /* at work side by side */
    uint32_t max_queue;   /* jobs that wait, at most half of them streams */
    /* Told of each job that has ended just before its finish is called, and of one that was cancelled before
     * it was submitted; without a lock. NULL: nobody is. */
    void (*on_end)(void *arg, const struct job *job, enum wire_status why);
    void *on_end_arg;
};

/* Ends with admission_free, when no job is left and the pool's threads are joined. The pool stays the
 * caller's. */
WIRE_MUST_USE enum wire_status admission_create(const struct admission_options *options, struct pool *pool,
                                                struct admission **out, struct wire_error *error);
void admission_free(struct admission *admission);

/* Runs the job, queues it, or refuses it at once: ALREADY_EXISTS, UNAVAILABLE, RESOURCE_EXHAUSTED, or what
 * it was cancelled with. */
WIRE_MUST_USE enum wire_status admission_submit(struct job *job, struct wire_error *error);

/* The done callback of a job's run. */
void admission_run_done(void *job);

/* Ends a job early, with that status. A job not yet submitted is refused when it is; one that is done is left
 * alone. */
void admission_cancel(struct job *job, enum wire_status why);

/* The same by request_id, as CANCELLED; false when no job of that name waits or runs. */
bool admission_cancel_id(struct admission *admission, const char *request_id);

/* From now on new jobs are UNAVAILABLE. */
void admission_drain(struct admission *admission);
bool admission_draining(struct admission *admission);

struct admission_load {
    uint32_t running, queued; /* jobs */
    uint32_t threads;         /* of the running ones, as they count against max_threads */
    bool draining;
};
struct admission_load admission_load(struct admission *admission);

/* Waits until no job waits or runs; false when that took longer than timeout_ms. */
bool admission_wait_idle(struct admission *admission, uint64_t timeout_ms);

/* Cancels every job, as UNAVAILABLE. */
void admission_cancel_all(struct admission *admission);

#endif
