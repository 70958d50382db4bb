/* Stats of every server at once: for a collector, which tells servers apart and cannot take them in turn. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

#include "server.pb-c.h"

struct slot {
    struct tilery_server_stats seen; /* what the caller sees */
    tilery_stats_list *list;
};

/* The addresses stand behind the slots. */
struct tilery_stats_list {
    atomic_size_t open; /* answers to come, and one for the asker while it asks */
    tilery_stats_fn *done;
    void *arg;
    size_t count;
    struct slot slots[];
};

static tilery_stats_list *new_list(const tilery_client *client)
{
    size_t size = sizeof(tilery_stats_list) + client->count * sizeof(struct slot);
    tilery_stats_list *list;
    char *address;

    for (size_t i = 0; i < client->count; i++)
        size += strlen(client->servers[i].url) + 1;
    list = calloc(1, size);
    if (list == NULL)
        return NULL;
    list->count = client->count;
    address = (char *)&list->slots[list->count];
    for (size_t i = 0; i < list->count; i++) {
        list->slots[i] = (struct slot){.seen.server = address, .list = list};
        address = stpcpy(address, client->servers[i].url) + 1;
    }
    return list;
}

/* The last one tells the caller, who may free the list there and then. */
static void answered(tilery_stats_list *list)
{
    if (atomic_fetch_sub(&list->open, 1) == 1)
        list->done(list->arg, list);
}

static void on_answer(void *arg, nng_msg *msg, struct server *server, const struct wire_error *error)
{
    struct slot *slot = arg;
    struct wire_error why;

    (void)server;
    if (msg == NULL)
        why = *error;
    if (msg == NULL || call_read_stats(msg, &slot->seen.stats, &why) != WIRE_OK)
        (void)call_error(&slot->seen.error, &why);
    answered(slot->list);
}

enum tilery_status tilery_stats_all_async(tilery_client *client, const struct tilery_call_options *options,
                                          tilery_stats_fn *done, void *arg, struct tilery_error *error)
{
    Tilery__V1__StatsRequest request = TILERY__V1__STATS_REQUEST__INIT;
    struct call_spec spec = {
        .method = CALL_STATS, .request = &request.base, .options = options, .tell = true};
    tilery_stats_list *list = new_list(client);
    struct wire_error why;

    if (list == NULL) {
        wire_error_set(&why, WIRE_RESOURCE_EXHAUSTED, "no memory for the call");
        return call_error(error, &why);
    }
    list->done = done;
    list->arg = arg;
    list->open = list->count + 1;
    for (size_t i = 0; i < list->count; i++) {
        spec.only = &client->servers[i];
        if (call_start(client, &spec, on_answer, &list->slots[i], &why) != WIRE_OK)
            on_answer(&list->slots[i], NULL, spec.only, &why);
    }
    answered(list);
    return TILERY_OK;
}

size_t tilery_stats_list_count(const tilery_stats_list *list)
{
    return list->count;
}

const struct tilery_server_stats *tilery_stats_list_at(const tilery_stats_list *list, size_t i)
{
    return &list->slots[i].seen;
}

void tilery_stats_list_free(tilery_stats_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        tilery_stats_free(list->slots[i].seen.stats);
    free(list);
}
