/* Cancel: asked of one server, or of all at once. */
#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

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

/* Asks one that serves. */
static enum wire_status ask_one(tilery_client *client, const char *request_id,
                                const struct tilery_call_options *options, bool *found,
                                struct wire_error *error)
{
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    const struct call_spec spec = {.method = CALL_CANCEL, .request = &request.base, .options = options};
    nng_msg *msg;

    *found = false;
    request.request_id = (char *)(uintptr_t)request_id;
    if (call_blocking(client, &spec, &msg, NULL, error) != WIRE_OK)
        return error->status;
    return read_found(msg, found, error);
}

/* Put to several servers at once. Freed by the last to let go: the asker, or the last answer. */
struct question {
    pthread_mutex_t mutex; /* guards all below */
    size_t open;           /* answers to come, and the asker */
    bool told, answered;
    struct wire_error error; /* the last failure */
    tilery_cancel_fn *done;  /* NULL: nobody is told */
    void *arg;
};

static struct question *new_question(tilery_cancel_fn *done, void *arg)
{
    struct question *question = calloc(1, sizeof *question);

    if (question == NULL)
        return NULL;
    pthread_mutex_init(&question->mutex, NULL);
    question->open = 1;
    question->done = done;
    question->arg = arg;
    return question;
}

/* The mutex is held, and let go. The first that found it tells so, or the last tells that none did. */
static void let_go(struct question *question, bool found)
{
    bool last = --question->open == 0, tell = !question->told && (found || last) && question->done != NULL;
    bool failed = !found && !question->answered;
    tilery_cancel_fn *done = question->done;
    void *arg = question->arg;
    struct tilery_error error;

    question->told |= tell;
    (void)call_error(&error, &question->error);
    pthread_mutex_unlock(&question->mutex);
    if (last) {
        pthread_mutex_destroy(&question->mutex);
        free(question);
    }
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

static void ask(tilery_client *client, struct server *server, const char *request_id,
                const struct tilery_call_options *options, struct question *question)
{
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    const struct call_spec spec = {
        .method = CALL_CANCEL, .request = &request.base, .options = options, .only = server};
    struct wire_error error;

    pthread_mutex_lock(&question->mutex);
    question->open++;
    pthread_mutex_unlock(&question->mutex);
    request.request_id = (char *)(uintptr_t)request_id;
    if (call_start(client, &spec, on_answer, question, &error) != WIRE_OK)
        on_answer(question, NULL, server, &error);
}

/* No server knows of it: the call was pausing, or waiting for a connection. */
static bool give_up(tilery_client *client, const char *request_id)
{
    return request_id != NULL && request_id[0] != '\0' && call_give_up(client, request_id);
}

enum tilery_status tilery_cancel_async(tilery_client *client, const char *request_id,
                                       const struct tilery_call_options *options, tilery_cancel_fn *done,
                                       void *arg, struct tilery_error *error)
{
    struct question *question = new_question(done, arg);
    struct server *servers[CLIENT_MAX_SERVERS];
    struct wire_error why;
    size_t count;
    bool found;

    if (question == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
        return call_error(error, &why);
    }
    found = give_up(client, request_id);
    count = client_connected(client, servers);
    if (count == 0)
        servers[count++] = NULL; /* the call finds out why there is none */
    for (size_t i = 0; i < count && !found; i++)
        ask(client, servers[i], request_id, options, question);
    pthread_mutex_lock(&question->mutex);
    let_go(question, found);
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

/* All at once, so that one that does not answer keeps no other from hearing of it. */
static enum tilery_status ask_all(tilery_client *client, const char *request_id,
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

enum tilery_status tilery_cancel(tilery_client *client, const char *request_id,
                                 const struct tilery_call_options *options, bool *found,
                                 struct tilery_error *error)
{
    struct server *servers[CLIENT_MAX_SERVERS];
    struct wire_error why;

    *found = false;
    if (client_connected(client, servers) >= 2)
        return ask_all(client, request_id, options, found, error);
    *found = give_up(client, request_id);
    if (*found || ask_one(client, request_id, options, found, &why) == WIRE_OK)
        return TILERY_OK;
    return call_error(error, &why);
}
