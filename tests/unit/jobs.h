#ifndef TILERY_TESTS_JOBS_H
#define TILERY_TESTS_JOBS_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "service/admission.h"

#define MOST_JOBS 32
#define MOST_THREADS 8

/*
 * A job of one tile a thread. Each thread waits at its tile until it is let go, so that what admission
 * decides can be looked at while nothing moves. The tests' program is linked so that admission's run_start
 * and pthread_cond_timedwait go through jobs.c.
 */
struct held_job {
    struct job job; /* first: a job is cast back */
    uint32_t width; /* threads, and tiles */
    uint32_t seen;  /* of them, by jobs_check_runs */
    sem_t inside;   /* posted by each thread at its tile */
    sem_t go;       /* ends one thread's wait */
    sem_t finished; /* posted by each finish */
    sem_t left;     /* posted when the end of its run has started whoever may go then */
    bool accepted;
    atomic_uint finishes;
    struct wire_error why;
    void (*on_run_end)(struct held_job *held); /* called before admission learns of it; NULL for nothing */
    void (*on_finish)(struct held_job *held);  /* called by finish; NULL for nothing */
    uint16_t room[MOST_THREADS][64];
};

/* The one of the test. */
extern struct admission *admission;

/* A checked fixture. Its end fails unless each accepted job was finished once, and no other. */
void jobs_set_up(uint32_t max_threads, uint32_t max_queue);
void jobs_tear_down(void);

/* Not yet submitted. */
struct held_job *jobs_make(const char *request_id, uint32_t threads);
struct held_job *jobs_make_stream(uint32_t threads);

/* Submits it, and fails unless it is accepted. */
void jobs_accept(struct held_job *held);

/* Made and accepted. */
struct held_job *jobs_submit(const char *request_id, uint32_t threads);
struct held_job *jobs_submit_stream(uint32_t threads);

/* Fails unless the job is refused with that status, and not finished. */
struct wire_error jobs_check_refused(struct held_job *held, enum wire_status status);

/* These look at what admission decided before the last call that the test made, or waited for, returned. */
void jobs_check_runs(struct held_job *held); /* on all its threads at once */
void jobs_check_waits(struct held_job *held);

/* Lets the job's threads go, without waiting for them. */
void jobs_let_go(struct held_job *held);

/* Lets them go, and waits until the job has ended well and all that its end sets going has been started. */
void jobs_end(struct held_job *held);

/* Waits for the finish, and fails unless it is the first and has that status. */
void jobs_check_finished(struct held_job *held, enum wire_status why);

/* So many of the next runs cannot be started. */
void jobs_fail_starts(unsigned count);

/* Waits until a thread waits in admission_wait_idle. */
void jobs_await_waiter(void);

void wait_for(sem_t *semaphore);

#endif
