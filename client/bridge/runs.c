/* The table of runs, and the thread of their leases and heartbeats. */
#include "runs.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "wire/clock.h"
#include "wire/condition.h"

/* ---- What is in the table ---- */

typedef bool run_test_fn(const struct run *run, const char *name);

static bool is_spare(const struct run *run, const char *name)
{
    (void)name;
    return run->spare;
}

static bool has_feed(const struct run *run, const char *name)
{
    return strcmp(run->feed_id, name) == 0;
}

static struct run *first_of(const struct run_list *list, run_test_fn *passes, const char *name)
{
    struct run *run = list->first;

    while (run != NULL && !passes(run, name))
        run = run->next;
    return run;
}

/* The mutex is held, and let go. The run is held, where there is one. */
static struct run *hold(struct runs *runs, struct run *run)
{
    if (run != NULL)
        run->refs++;
    pthread_mutex_unlock(&runs->mutex);
    return run;
}

static struct run *hold_any(struct runs *runs)
{
    pthread_mutex_lock(&runs->mutex);
    return hold(runs, runs->fed.first != NULL ? runs->fed.first : runs->unfed.first);
}

/* Ids are random hex digits, of which three spread the runs evenly; of other texts any bucket will do. */
static struct run **bucket(struct runs *runs, const char *id)
{
    unsigned value = 0;

    for (size_t i = 0; i < 3 && id[i] != '\0'; i++)
        value = value << 4 | (((unsigned)id[i] & 15) + (id[i] >= 'a' ? 9 : 0)) % 16;
    return &runs->by_id[value % RUN_BUCKETS];
}

struct run *runs_find(struct runs *runs, const char *id)
{
    struct run *run;

    pthread_mutex_lock(&runs->mutex);
    run = *bucket(runs, id);
    while (run != NULL && strcmp(run->id, id) != 0)
        run = run->same;
    return hold(runs, run);
}

struct run *runs_find_feed(struct runs *runs, const char *feed_id)
{
    pthread_mutex_lock(&runs->mutex);
    return hold(runs, first_of(&runs->fed, has_feed, feed_id));
}

static struct run *hold_spare(struct runs *runs)
{
    pthread_mutex_lock(&runs->mutex);
    return hold(runs, first_of(&runs->unfed, is_spare, ""));
}

/* ---- Room ---- */

bool runs_take(struct runs *runs, uint64_t share)
{
    struct budget *budget = runs->options.budget;

    while (!budget_take(budget, share)) {
        struct run *run = hold_spare(runs);

        if (run == NULL)
            return false;
        (void)run_end(run, TILERY_RESOURCE_EXHAUSTED, "its memory was needed");
        run_release(run);
    }
    return true;
}

/* ---- The lists ---- */

/* The mutex is held, here and in what follows. */
static void take_out(struct run *run)
{
    struct run_list *list = run->list;

    *(run->prev != NULL ? &run->prev->next : &list->first) = run->next;
    *(run->next != NULL ? &run->next->prev : &list->last) = run->prev;
    run->list = NULL;
}

static void put_in(struct run_list *list, struct run *run)
{
    run->list = list;
    run->next = NULL;
    run->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = run;
    list->last = run;
}

/* A feed's heartbeat may be put off by who holds no lock. But those without one have all the same lease: the
 * first in their list is due first. */
static void put_in_turn(struct run *run)
{
    struct runs *runs = run->runs;
    bool fed = run->feed_id[0] != '\0';

    run->due_ns = wire_after_ms(fed ? runs->options.heartbeat_ms : runs->options.lease_ms);
    put_in(fed ? &runs->fed : &runs->unfed, run);
    if (run->due_ns < runs->sleeps_until_ns)
        pthread_cond_signal(&runs->wake);
}

static void put_name(struct run *run)
{
    struct run **first = bucket(run->runs, run->id);

    run->same = *first;
    *first = run;
}

static void take_name(struct run *run)
{
    struct run **at = bucket(run->runs, run->id);

    while (*at != run)
        at = &(*at)->same;
    *at = run->same;
}

bool runs_unlist(struct run *run)
{
    struct runs *runs = run->runs;
    bool listed;

    pthread_mutex_lock(&runs->mutex);
    listed = run->list != NULL;
    if (listed) {
        take_out(run);
        take_name(run);
    }
    pthread_mutex_unlock(&runs->mutex);
    return listed;
}

static bool list(struct run *run)
{
    struct runs *runs = run->runs;
    bool listed;

    pthread_mutex_lock(&runs->mutex);
    listed = !runs->stopped;
    if (listed) {
        put_in_turn(run);
        put_name(run);
    }
    pthread_mutex_unlock(&runs->mutex);
    return listed;
}

void runs_name_feed(struct run *run, const char *feed_id)
{
    pthread_mutex_lock(&run->runs->mutex);
    memcpy(run->feed_id, feed_id, strlen(feed_id) + 1);
    if (run->list != NULL) {
        take_out(run);
        put_in_turn(run);
    }
    pthread_mutex_unlock(&run->runs->mutex);
}

/* The thread says that it sleeps for ever before it looks when each run is due: who sees that it sleeps long
 * enough has set its time before that. */
void runs_set_heartbeat(struct run *run)
{
    struct runs *runs = run->runs;
    uint64_t due = wire_after_ms(runs->options.heartbeat_ms);

    run->due_ns = due;
    if (due >= runs->sleeps_until_ns)
        return;
    pthread_mutex_lock(&runs->mutex);
    pthread_cond_signal(&runs->wake);
    pthread_mutex_unlock(&runs->mutex);
}

static void set_request(struct run *run, const struct run_start *start)
{
    run->request = *start->request;
    run->options = *start->options;
    if (start->request->kernel != NULL) {
        strncpy(run->kernel, start->request->kernel, sizeof run->kernel - 1);
        run->request.kernel = run->kernel;
    }
    run->keep_bytes = run_keep_bytes(start->request);
}

struct run *runs_add(struct runs *runs, const struct run_start *start)
{
    struct run *run = calloc(1, sizeof *run);

    if (run == NULL)
        return NULL;
    run->runs = runs;
    tilery_random_id(run->id);
    set_request(run, start);
    run->refs = 2; /* the table's and the caller's */
    pthread_mutex_init(&run->mutex, NULL);
    runs->open++;
    run->stream = start->stream;
    run->share = start->share;
    if (list(run))
        return run;
    runs->open--;
    pthread_mutex_destroy(&run->mutex);
    free(run);
    return NULL;
}

bool runs_end(struct runs *runs, const char *id)
{
    struct run *run = runs_find(runs, id);
    bool ended;

    if (run == NULL)
        return false;
    ended = run_end(run, TILERY_CANCELLED, "the run was ended by DELETE");
    run_release(run);
    return ended;
}

unsigned runs_open(const struct runs *runs)
{
    return runs->open;
}

/* ---- The thread ---- */

/* One that is due; or NULL, and when the next one is. */
static struct run *look_at(struct run *run, uint64_t now, uint64_t *next)
{
    uint64_t due = run->due_ns;

    if (due < *next)
        *next = due;
    return due <= now ? run : NULL;
}

/* The mutex is held. One that is due, held; or NULL, and when the next one is. */
static struct run *find_due(struct runs *runs, uint64_t now, uint64_t *next)
{
    struct run *due = NULL;

    *next = UINT64_MAX;
    if (runs->unfed.first != NULL)
        due = look_at(runs->unfed.first, now, next);
    for (struct run *run = runs->fed.first; run != NULL && due == NULL; run = run->next)
        due = look_at(run, now, next);
    if (due != NULL)
        due->refs++;
    return due;
}

/* The mutex is held. */
static void sleep_until(struct runs *runs, uint64_t ns)
{
    runs->sleeps_until_ns = ns;
    if (ns == UINT64_MAX)
        (void)pthread_cond_wait(&runs->wake, &runs->mutex);
    else
        (void)condition_wait(&runs->wake, &runs->mutex, ns);
}

static void *runs_main(void *arg)
{
    struct runs *runs = arg;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&runs->mutex);
    while (!runs->stopped) {
        uint64_t next, now;
        struct run *run;

        runs->sleeps_until_ns = UINT64_MAX;
        now = wire_now_ns();
        run = find_due(runs, now, &next);
        if (run == NULL) {
            sleep_until(runs, next);
            continue;
        }
        pthread_mutex_unlock(&runs->mutex);
        run_look(run, now);
        run_release(run);
        pthread_mutex_lock(&runs->mutex);
    }
    pthread_mutex_unlock(&runs->mutex);
    return NULL;
}

/* ---- From the start to the end ---- */

enum tilery_status runs_create(const struct runs_options *options, struct runs **out)
{
    struct runs *runs = calloc(1, sizeof *runs);

    *out = NULL;
    if (runs == NULL)
        return TILERY_RESOURCE_EXHAUSTED;
    runs->options = *options;
    runs->sleeps_until_ns = UINT64_MAX;
    pthread_mutex_init(&runs->mutex, NULL);
    condition_init(&runs->wake);
    if (pthread_create(&runs->thread, NULL, runs_main, runs) != 0) {
        pthread_cond_destroy(&runs->wake);
        pthread_mutex_destroy(&runs->mutex);
        free(runs);
        return TILERY_RESOURCE_EXHAUSTED;
    }
    *out = runs;
    return TILERY_OK;
}

void runs_stop(struct runs *runs)
{
    struct run *run;
    bool stopped;

    pthread_mutex_lock(&runs->mutex);
    stopped = runs->stopped;
    runs->stopped = true;
    pthread_cond_signal(&runs->wake);
    pthread_mutex_unlock(&runs->mutex);
    if (stopped)
        return;
    pthread_join(runs->thread, NULL);
    while ((run = hold_any(runs)) != NULL) {
        (void)run_end(run, TILERY_UNAVAILABLE, BRIDGE_DRAINS);
        run_release(run);
    }
}

void runs_free(struct runs *runs)
{
    if (runs == NULL)
        return;
    runs_stop(runs);
    pthread_cond_destroy(&runs->wake);
    pthread_mutex_destroy(&runs->mutex);
    free(runs);
}
