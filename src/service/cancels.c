#include "service/cancels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/internal.h"
#include "wire/limits.h"

#include "compute.pb-c.h"

/* A request that was overtaken is handled within microseconds, or some milliseconds where threads wait for
 * the machine. */
#define MOMENT_MS 50
/* Each holds a context of the runtime's reserve. */
#define MOST_WAITING 16

struct waiting {
    struct waiting *next;
    struct cancels *cancels;
    struct rpc_call *call;
    char id[WIRE_MAX_REQUEST_ID + 1];
    bool over; /* its time was up before it was in the list */
};

struct cancels {
    pthread_mutex_t mutex; /* guards all below; count is read without, too */
    struct waiting *first;
    atomic_uint count;
};

struct cancels *cancels_create(void)
{
    struct cancels *cancels = calloc(1, sizeof *cancels);

    if (cancels != NULL)
        pthread_mutex_init(&cancels->mutex, NULL);
    return cancels;
}

void cancels_free(struct cancels *cancels)
{
    if (cancels == NULL)
        return;
    pthread_mutex_destroy(&cancels->mutex);
    free(cancels);
}

static void reply(struct rpc_call *call, bool found)
{
    Tilery__V1__CancelReply message = TILERY__V1__CANCEL_REPLY__INIT;

    message.has_found = 1;
    message.found = found;
    rpc_call_reply(call, &message.base);
}

/* The mutex is held. Takes out the one that the link leads to. */
static struct waiting *unlink_at(struct cancels *cancels, struct waiting **link)
{
    struct waiting *taken = *link;

    *link = taken->next;
    atomic_fetch_sub(&cancels->count, 1);
    return taken;
}

/* One that names the request, or with parts what it is a part of. */
static struct waiting *take_named(struct cancels *cancels, const char *id, bool parts)
{
    struct waiting **link = &cancels->first, *taken;

    pthread_mutex_lock(&cancels->mutex);
    while (*link != NULL && !(parts ? service_is_part(id, (*link)->id) : strcmp((*link)->id, id) == 0))
        link = &(*link)->next;
    taken = *link != NULL ? unlink_at(cancels, link) : NULL;
    pthread_mutex_unlock(&cancels->mutex);
    return taken;
}

static bool put(struct waiting *waiting)
{
    struct cancels *cancels = waiting->cancels;
    bool room;

    pthread_mutex_lock(&cancels->mutex);
    room = !waiting->over && atomic_load(&cancels->count) < MOST_WAITING;
    if (room) {
        waiting->next = cancels->first;
        cancels->first = waiting;
        atomic_fetch_add(&cancels->count, 1);
    }
    pthread_mutex_unlock(&cancels->mutex);
    return room;
}

/* Nothing has come, or the caller has gone. */
static void on_over(void *arg, enum wire_status why)
{
    struct waiting *waiting = arg;
    struct cancels *cancels = waiting->cancels;
    struct waiting **link = &cancels->first;
    bool waited;

    (void)why;
    pthread_mutex_lock(&cancels->mutex);
    while (*link != NULL && *link != waiting)
        link = &(*link)->next;
    waited = *link != NULL;
    if (waited)
        (void)unlink_at(cancels, link);
    else
        waiting->over = true;
    pthread_mutex_unlock(&cancels->mutex);
    if (waited)
        reply(waiting->call, false);
}

void cancels_arrived(struct cancels *cancels, const char *id, bool parts, cancels_look_fn *look, void *arg)
{
    struct waiting *waiting;

    if (atomic_load(&cancels->count) == 0)
        return;
    while ((waiting = take_named(cancels, id, parts)) != NULL) {
        (void)look(arg, id); /* where it finds none any more, that has ended, perhaps by another look */
        reply(waiting->call, true);
    }
}

void cancels_wait(struct cancels *cancels, struct rpc_call *call, const char *id, cancels_look_fn *look,
                  void *arg)
{
    bool found = look(arg, id);
    struct waiting *waiting = found ? NULL : rpc_call_alloc(call, sizeof *waiting);
    char name[WIRE_MAX_REQUEST_ID + 1];

    if (waiting == NULL) {
        reply(call, found);
        return;
    }
    (void)snprintf(name, sizeof name, "%s", id);
    memcpy(waiting->id, name, sizeof name);
    waiting->cancels = cancels;
    waiting->call = call;
    rpc_call_limit(call, MOMENT_MS);
    rpc_call_defer(call, on_over, waiting);
    if (!put(waiting)) {
        reply(call, false);
        return;
    }
    /* From here on anybody may end the call. What came before it was in the list told nobody. */
    if (look(arg, name) && (waiting = take_named(cancels, name, false)) != NULL)
        reply(waiting->call, true);
}
