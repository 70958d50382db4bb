#include "service/admission.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "wire/condition.h"
#include "wire/limits.h"

struct job_list {
    struct job *first, *last;
    uint32_t count;
};

struct admission {
    struct admission_options options;
    struct pool *pool;
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    struct job_list queued, running;
    uint32_t threads;        /* of the running jobs */
    uint32_t stream_threads; /* of those that are streams */
    uint32_t queued_streams;
    atomic_bool draining; /* written under the mutex */
};

static void append(struct job_list *list, struct job *job)
{
    job->next = NULL;
    job->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = job;
    list->last = job;
    list->count++;
}

static void unlink_job(struct job_list *list, struct job *job)
{
    *(job->prev != NULL ? &job->prev->next : &list->first) = job->next;
    *(job->next != NULL ? &job->next->prev : &list->last) = job->prev;
    list->count--;
}

enum wire_status admission_create(const struct admission_options *options, struct pool *pool,
                                  struct admission **out, struct wire_error *error)
{
    struct admission *admission = calloc(1, sizeof *admission);

    *out = admission;
    if (admission == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for admission");
    admission->options = *options;
    admission->pool = pool;
    pthread_mutex_init(&admission->mutex, NULL);
    condition_init(&admission->idle);
    return WIRE_OK;
}

void admission_free(struct admission *admission)
{
    if (admission == NULL)
        return;
    pthread_cond_destroy(&admission->idle);
    pthread_mutex_destroy(&admission->mutex);
    free(admission);
}

static uint32_t streams_share(const struct admission *admission)
{
    uint32_t half = admission->options.max_threads / 2;

    return half != 0 ? half : 1;
}

/* The threads that a job counts as. */
static uint32_t charge(const struct admission *admission, const struct job *job)
{
    uint32_t threads = run_threads(job->run), share = streams_share(admission);

    return job->stream && threads > share ? share : threads;
}

/*
 * A job that is too wide to fit beside all the threads that streams may hold fits beside those that they do
 * hold, as soon as no other runs: a stream's threads may wait for its reader for ever.
 */
static bool fits(const struct admission *admission, const struct job *job)
{
    uint32_t max = admission->options.max_threads, share = streams_share(admission);
    uint32_t threads = charge(admission, job);
    bool too_wide = !job->stream && share < max && threads > max - share;

    return admission->threads == (too_wide ? admission->stream_threads : 0) ||
           (threads <= max && admission->threads <= max - threads);
}

static bool fits_share(const struct admission *admission, const struct job *job)
{
    return !job->stream || admission->stream_threads + charge(admission, job) <= streams_share(admission);
}

/* The first that may go, if any: nobody passes a job but streams that wait for their share. */
static struct job *find_next(const struct admission *admission)
{
    bool share_taken = false;

    for (struct job *job = admission->queued.first; job != NULL; job = job->next) {
        if (job->stream && (share_taken || !fits_share(admission, job)))
            share_taken = true;
        else
            return fits(admission, job) ? job : NULL;
    }
    return NULL;
}

static void leave_queue(struct admission *admission, struct job *job)
{
    unlink_job(&admission->queued, job);
    admission->queued_streams -= job->stream;
}

/* Moves the next of the queue among the running; NULL when nobody may go. */
static struct job *next_job(struct admission *admission)
{
    struct job *job = find_next(admission);
    uint32_t threads;

    if (job == NULL)
        return NULL;
    leave_queue(admission, job);
    job->state = JOB_RUNNING;
    job->started_ns = clock_now_ns();
    threads = charge(admission, job);
    admission->threads += threads;
    admission->stream_threads += job->stream ? threads : 0;
    append(&admission->running, job);
    return job;
}

/* The mutex is held. */
static void set_done(struct admission *admission, struct job *job)
{
    if (job->state == JOB_QUEUED) {
        leave_queue(admission, job);
    } else {
        uint32_t threads = charge(admission, job);

        unlink_job(&admission->running, job);
        admission->threads -= threads;
        admission->stream_threads -= job->stream ? threads : 0;
    }
    job->state = JOB_DONE;
    if (admission->queued.count + admission->running.count == 0)
        pthread_cond_broadcast(&admission->idle);
}

/* By how a job ended. */
static const char *const reasons[] = {
    [WIRE_OK] = "",
    [WIRE_CANCELLED] = "the request was cancelled",
    [WIRE_DEADLINE_EXCEEDED] = "the request's time was up before it was done",
    [WIRE_RESOURCE_EXHAUSTED] = "no memory or threads to run it now; try again",
    [WIRE_UNAVAILABLE] = "the server is shutting down",
};

static void tell_end(const struct job *job, enum wire_status status)
{
    const struct admission_options *options = &job->admission->options;

    if (options->on_end != NULL)
        options->on_end(options->on_end_arg, job, status);
}

static void finish(struct job *job, enum wire_status status)
{
    struct wire_error error;

    wire_error_set(&error, status, "%s", reasons[status]);
    tell_end(job, status);
    job->finish(job, &error);
}

static void end(struct job *job, enum wire_status status)
{
    struct admission *admission = job->admission;

    pthread_mutex_lock(&admission->mutex);
    if (status == WIRE_OK && run_summary(job->run).cancelled)
        status = job->cancelled;
    set_done(admission, job);
    pthread_mutex_unlock(&admission->mutex);
    finish(job, status);
}

/* Starts whoever may go now. */
static void start_waiting(struct admission *admission)
{
    for (;;) {
        struct job *job;

        pthread_mutex_lock(&admission->mutex);
        job = next_job(admission);
        pthread_mutex_unlock(&admission->mutex);
        if (job == NULL)
            return;
        if (run_start(job->run, admission->pool) != ENGINE_OK)
            end(job, WIRE_RESOURCE_EXHAUSTED);
    }
}

void admission_run_done(void *arg)
{
    struct job *job = arg;
    struct admission *admission = job->admission;

    end(job, WIRE_OK);
    start_waiting(admission);
}

/* The job of that name; NULL when there is none, as there is of no name. */
static struct job *find_id(const struct admission *admission, const char *request_id)
{
    const struct job_list *const lists[] = {&admission->queued, &admission->running};

    for (size_t i = 0; i < 2 && request_id[0] != '\0'; i++)
        for (struct job *job = lists[i]->first; job != NULL; job = job->next)
            if (strcmp(job->request_id, request_id) == 0)
                return job;
    return NULL;
}

/* The mutex is held. */
static enum wire_status refuse(const struct admission *admission, const struct job *job,
                               struct wire_error *error)
{
    if (job->cancelled != WIRE_OK)
        return wire_error_set(error, job->cancelled, "%s", reasons[job->cancelled]);
    if (admission->draining)
        return wire_error_set(error, WIRE_UNAVAILABLE, "the server is shutting down");
    if (find_id(admission, job->request_id) != NULL)
        return wire_error_set(error, WIRE_ALREADY_EXISTS, "request_id \"%s\" is in use", job->request_id);
    return WIRE_OK;
}

/* Streams may wait for long, as their readers please: half of the queue's places are for others. */
static uint32_t stream_places(const struct admission *admission)
{
    return admission->options.max_queue - admission->options.max_queue / 2;
}

/* Whether all have room in the queue, that job the last of them. */
static bool fits_queue(const struct admission *admission, const struct job *job)
{
    return admission->queued.count <= admission->options.max_queue &&
           (!job->stream || admission->queued_streams <= stream_places(admission));
}

/* The mutex is held. */
static enum wire_status enqueue(struct admission *admission, struct job *job, struct wire_error *error)
{
    append(&admission->queued, job);
    admission->queued_streams += job->stream;
    if (fits_queue(admission, job) || find_next(admission) != NULL) {
        job->state = JOB_QUEUED;
        return WIRE_OK;
    }
    leave_queue(admission, job);
    if (admission->queued.count < admission->options.max_queue)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED,
                              "streams have all of their places in the queue (half of it, %u); try again",
                              stream_places(admission));
    return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "the queue is full (--max-queue is %u); try again",
                          admission->options.max_queue);
}

enum wire_status admission_submit(struct job *job, struct wire_error *error)
{
    struct admission *admission = job->admission;
    enum wire_status status;

    pthread_mutex_lock(&admission->mutex);
    job->submitted_ns = clock_now_ns();
    status = refuse(admission, job, error);
    if (status == WIRE_OK)
        status = enqueue(admission, job, error);
    if (status != WIRE_OK)
        job->state = JOB_DONE;
    pthread_mutex_unlock(&admission->mutex);
    if (status == WIRE_OK)
        start_waiting(admission); /* the job may be gone when it returns */
    else if (job->cancelled != WIRE_OK)
        tell_end(job, status);
    return status;
}

/* The mutex is held. True when the job was waiting: the caller finishes it. */
static bool cancel(struct admission *admission, struct job *job, enum wire_status why)
{
    if (job->state == JOB_DONE || job->cancelled != WIRE_OK)
        return false;
    job->cancelled = why;
    if (job->state == JOB_RUNNING)
        run_cancel(job->run);
    if (job->state != JOB_QUEUED)
        return false;
    set_done(admission, job);
    return true;
}

void admission_cancel(struct job *job, enum wire_status why)
{
    struct admission *admission = job->admission;
    bool waited;

    pthread_mutex_lock(&admission->mutex);
    waited = cancel(admission, job, why);
    pthread_mutex_unlock(&admission->mutex);
    if (!waited)
        return;
    finish(job, why);
    start_waiting(admission); /* those that it held up */
}

bool admission_cancel_id(struct admission *admission, const char *request_id)
{
    struct job *job;
    bool waited = false;

    pthread_mutex_lock(&admission->mutex);
    job = find_id(admission, request_id);
    if (job != NULL)
        waited = cancel(admission, job, WIRE_CANCELLED);
    pthread_mutex_unlock(&admission->mutex);
    if (waited) {
        finish(job, WIRE_CANCELLED);
        start_waiting(admission);
    }
    return job != NULL;
}

void admission_drain(struct admission *admission)
{
    pthread_mutex_lock(&admission->mutex);
    admission->draining = true;
    pthread_mutex_unlock(&admission->mutex);
}

bool admission_draining(struct admission *admission)
{
    return atomic_load(&admission->draining);
}

struct admission_load admission_load(struct admission *admission)
{
    struct admission_load load;

    pthread_mutex_lock(&admission->mutex);
    load = (struct admission_load){.running = admission->running.count,
                                   .queued = admission->queued.count,
                                   .threads = admission->threads,
                                   .draining = admission->draining};
    pthread_mutex_unlock(&admission->mutex);
    return load;
}

bool admission_wait_idle(struct admission *admission, uint64_t timeout_ms)
{
    uint64_t until_ns = clock_after_ms(timeout_ms);
    bool idle;

    pthread_mutex_lock(&admission->mutex);
    while (!(idle = admission->queued.count + admission->running.count == 0))
        if (!condition_wait(&admission->idle, &admission->mutex, until_ns))
            break;
    pthread_mutex_unlock(&admission->mutex);
    return idle;
}

/* All at once, so that none can begin meanwhile; those that waited are finished without the lock. */
void admission_cancel_all(struct admission *admission)
{
    struct job *waited = NULL, *job;

    pthread_mutex_lock(&admission->mutex);
    for (job = admission->running.first; job != NULL; job = job->next)
        (void)cancel(admission, job, WIRE_UNAVAILABLE);
    while ((job = admission->queued.last) != NULL) {
        (void)cancel(admission, job, WIRE_UNAVAILABLE);
        job->next = waited;
        waited = job;
    }
    pthread_mutex_unlock(&admission->mutex);
    while ((job = waited) != NULL) {
        waited = job->next;
        finish(job, WIRE_UNAVAILABLE);
    }
}
