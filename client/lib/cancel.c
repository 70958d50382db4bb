/* Cancel: asked of all servers at once, so that one that does not answer keeps no other from hearing of it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "wire/clock.h"

/* Before a call that no server knew of yet is asked for again. */
#define PAUSE_MS 10

static enum wire_status read_found(nng_msg *msg, bool *found, struct wire_error *error)
{
    ProtobufCMessage *reply;
    struct wire_arena arena;
    struct wire_reply head;
    enum wire_status status;

    wire_arena_init(&arena, WIRE_REQUEST_ARENA);
    status = call_decode(msg, &tilery__v1__cancel_reply__descriptor, &arena, &head, &reply, error);
    if (status == WIRE_OK)
        *found = ((const Tilery__V1__CancelReply *)(const void *)reply)->found;
    wire_arena_fini(&arena);
    return status;
}

/* Put to all connected servers at once. Freed by the last to let go: the asker, or the last answer. */
struct question {
    tilery_client *client;
    char *request_id, *traceparent; /* or NULL */
    uint64_t deadline_ns;
    tilery_cancel_fn *done; /* NULL: nobody is told */
    void *arg;
    pthread_mutex_t mutex; /* guards all below */
    size_t open;           /* answers to come, and the asker */
    bool told, answered;
    struct wire_error error; /* the last failure */
};

static void free_question(struct question *question)
{
    pthread_mutex_destroy(&question->mutex);
    free(question->request_id);
    free(question->traceparent);
    free(question);
}

/* Of a text that may be NULL. False: there is no memory. */
static bool copy(char **out, const char *text)
{
    *out = text != NULL ? strdup(text) : NULL;
    return *out != NULL || text == NULL;
}

static struct question *new_question(tilery_client *client, const char *request_id,
                                     const struct tilery_call_options *options)
{
    struct question *question = calloc(1, sizeof *question);

    if (question == NULL)
        return NULL;
    pthread_mutex_init(&question->mutex, NULL);
    question->client = client;
    question->open = 1;
    question->deadline_ns = options->timeout_ms != 0 ? wire_after_ms(options->timeout_ms) : UINT64_MAX;
    if (copy(&question->request_id, request_id) && copy(&question->traceparent, options->traceparent))
        return question;
    free_question(question);
    return NULL;
}

static void on_paused(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error);

/* The mutex is held. No server knew of it, though the call is on its way to one: a cancel can overtake it. */
static bool ask_again(struct question *question, bool found)
{
    struct wire_error error;

    if (found || question->told || !question->answered || wire_now_ns() >= question->deadline_ns ||
        !call_is_under_way(question->client, question->request_id))
        return false;
    question->answered = false;
    question->open = 1;
    return call_pause(question->client, PAUSE_MS, on_paused, question, &error) == WIRE_OK;
}

/* The mutex is held, and let go. The first that found it tells so, or the last tells that none did. */
static void let_go(struct question *question, bool found)
{
    bool last = --question->open == 0, tell = !question->told && (found || last) && question->done != NULL;
    bool failed = !found && !question->answered;
    tilery_cancel_fn *done = question->done;
    void *arg = question->arg;
    struct tilery_error error;

    if (last && ask_again(question, found)) {
        pthread_mutex_unlock(&question->mutex);
        return;
    }
    question->told |= tell || found;
    (void)call_error(&error, &question->error);
    pthread_mutex_unlock(&question->mutex);
    if (last)
        free_question(question);
    if (tell)
        done(arg, found, failed ? &error : NULL);
}

static void on_answer(void *arg, nng_msg *msg, struct server *server, const struct wire_error *error)
{
    struct question *question = arg;
    struct wire_error why;
    bool found = false, answered;

    (void)server;
    answered = msg != NULL && read_found(msg, &found, &why) == WIRE_OK;
    pthread_mutex_lock(&question->mutex);
    if (!answered)
        question->error = msg != NULL ? why : *error;
    question->answered |= answered;
    let_go(question, found);
}

static void ask(struct question *question, struct server *server, const struct tilery_call_options *options)
{
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    const struct call_spec spec = {
        .method = CALL_CANCEL, .request = &request.base, .options = options, .only = server, .tell = true};
    struct wire_error error;

    pthread_mutex_lock(&question->mutex);
    question->open++;
    pthread_mutex_unlock(&question->mutex);
    request.request_id = question->request_id;
    if (call_start(question->client, &spec, on_answer, question, &error) != WIRE_OK)
        on_answer(question, NULL, server, &error);
}

/* Asks them all, unless none can know of it as the call was pausing, or waiting for a connection; and lets
 * go. */
static void put(struct question *question, const struct tilery_call_options *options)
{
    tilery_client *client = question->client;
    const char *id = question->request_id;
    struct server *servers[CLIENT_MAX_SERVERS];
    bool found = id != NULL && id[0] != '\0' && call_give_up(client, id);
    size_t count = client_connected(client, servers);

    if (count == 0)
        servers[count++] = NULL; /* the call finds out why there is none */
    for (size_t i = 0; i < count && !found; i++)
        ask(question, servers[i], options);
    pthread_mutex_lock(&question->mutex);
    let_go(question, found);
}

static void on_paused(void *arg, nng_msg *reply, struct server *server, const struct wire_error *error)
{
    struct question *question = arg;
    uint64_t now = wire_now_ns();
    const struct tilery_call_options options = {
        .timeout_ms = question->deadline_ns > now ? (question->deadline_ns - now) / NS_PER_MS + 1 : 1,
        .traceparent = question->traceparent};

    (void)reply;
    (void)server;
    (void)error; /* where the client is closed, the calls will tell */
    put(question, &options);
}

enum tilery_status tilery_cancel_async(tilery_client *client, const char *request_id,
                                       const struct tilery_call_options *options, tilery_cancel_fn *done,
                                       void *arg, struct tilery_error *error)
{
    static const struct tilery_call_options no_options;
    struct question *question;
    struct wire_error why;

    if (options == NULL)
        options = &no_options;
    question = new_question(client, request_id, options);
    if (question == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
        return call_error(error, &why);
    }
    question->done = done;
    question->arg = arg;
    put(question, options);
    return TILERY_OK;
}

/* ---- Waiting for it ---- */

struct answer {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool told, found, failed;
    struct tilery_error error;
};

static void take_answer(void *arg, bool found, const struct tilery_error *error)
{
    struct answer *answer = arg;

    pthread_mutex_lock(&answer->mutex);
    answer->told = true;
    answer->found = found;
    answer->failed = error != NULL;
    if (error != NULL)
        answer->error = *error;
    pthread_cond_signal(&answer->changed);
    pthread_mutex_unlock(&answer->mutex);
}

enum tilery_status tilery_cancel(tilery_client *client, const char *request_id,
                                 const struct tilery_call_options *options, bool *found,
                                 struct tilery_error *error)
{
    struct answer answer = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    enum tilery_status status =
        tilery_cancel_async(client, request_id, options, take_answer, &answer, &answer.error);

    pthread_mutex_lock(&answer.mutex);
    while (status == TILERY_OK && !answer.told)
        pthread_cond_wait(&answer.changed, &answer.mutex);
    pthread_mutex_unlock(&answer.mutex);
    *found = answer.found;
    if (answer.failed)
        status = answer.error.status;
    if (status != TILERY_OK && error != NULL)
        *error = answer.error;
    pthread_cond_destroy(&answer.changed);
    pthread_mutex_destroy(&answer.mutex);
    return status;
}
