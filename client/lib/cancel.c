/* Cancel: asked of the one server that has the stream, or of all at once. */
#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

#define CANCEL "tilery.v1.TileCompute/Cancel"

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

enum wire_status call_cancel(tilery_client *client, struct server *only, const char *request_id,
                             const struct tilery_call_options *options, bool *found, struct wire_error *error)
{
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    const struct call_spec spec = {
        .method = CANCEL, .request = &request.base, .options = options, .only = only};
    nng_msg *msg;

    *found = false;
    request.request_id = (char *)(uintptr_t)request_id;
    if (call_blocking(client, &spec, &msg, NULL, error) != WIRE_OK)
        return error->status;
    return read_found(msg, found, error);
}

/* Put to several servers. Freed by the last to let go: the asker, or the last answer. */
struct question {
    pthread_mutex_t mutex; /* guards all */
    pthread_cond_t changed;
    size_t refs, open; /* open: not yet answered */
    bool found, answered;
    struct wire_error error; /* the last failure */
};

static struct question *new_question(void)
{
    struct question *question = calloc(1, sizeof *question);

    if (question == NULL)
        return NULL;
    pthread_mutex_init(&question->mutex, NULL);
    pthread_cond_init(&question->changed, NULL);
    question->refs = 1;
    return question;
}

/* The mutex is held, and let go. */
static void let_go(struct question *question)
{
    bool last = --question->refs == 0;

    pthread_mutex_unlock(&question->mutex);
    if (!last)
        return;
    pthread_cond_destroy(&question->changed);
    pthread_mutex_destroy(&question->mutex);
    free(question);
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
    question->found |= found;
    question->open--;
    pthread_cond_signal(&question->changed);
    let_go(question);
}

static void ask(tilery_client *client, struct server *server, const char *request_id,
                const struct tilery_call_options *options, struct question *question)
{
    Tilery__V1__CancelRequest request = TILERY__V1__CANCEL_REQUEST__INIT;
    const struct call_spec spec = {
        .method = CANCEL, .request = &request.base, .options = options, .only = server};
    struct wire_error error;

    request.request_id = (char *)(uintptr_t)request_id;
    pthread_mutex_lock(&question->mutex);
    question->refs++;
    question->open++;
    pthread_mutex_unlock(&question->mutex);
    if (call_start(client, &spec, on_answer, question, &error) != WIRE_OK)
        on_answer(question, NULL, server, &error);
}

/* All at once, so that one that does not answer keeps no other from hearing of it. */
static enum wire_status ask_all(tilery_client *client, struct server *const *servers, size_t count,
                                const char *request_id, const struct tilery_call_options *options,
                                bool *found, struct wire_error *error)
{
    struct question *question = new_question();
    enum wire_status status = WIRE_OK;

    if (question == NULL)
        return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
    for (size_t i = 0; i < count; i++)
        ask(client, servers[i], request_id, options, question);
    pthread_mutex_lock(&question->mutex);
    while (question->open != 0 && !question->found)
        pthread_cond_wait(&question->changed, &question->mutex);
    *found = question->found;
    if (!question->answered) {
        *error = question->error;
        status = error->status;
    }
    let_go(question);
    return status;
}

enum tilery_status tilery_cancel(tilery_client *client, const char *request_id,
                                 const struct tilery_call_options *options, bool *found,
                                 struct tilery_error *error)
{
    struct server *servers[CLIENT_MAX_SERVERS];
    size_t count = client_connected(client, servers);
    struct wire_error why;
    enum wire_status status;

    *found = request_id != NULL && request_id[0] != '\0' && call_give_up(client, request_id);
    if (*found)
        return TILERY_OK;
    if (count < 2)
        status = call_cancel(client, NULL, request_id, options, found, &why);
    else
        status = ask_all(client, servers, count, request_id, options, found, &why);
    return status == WIRE_OK ? TILERY_OK : call_error(error, &why);
}
