/*
 * Replies on their way out: what they take together, and whose peers do not take them.
 *
 * nng calls a reply sent when the connection has taken it, written or not. It takes one at a time, so that of
 * each connection the last one alone can still be unwritten; nng's statistics tell when it is not any more.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/internal.h"
#include "wire/clock.h"
#include "wire/limits.h"
#include "wire/socket.h"

#define NS_PER_MS UINT64_C(1000000)
/* The kernel's buffers hold smaller ones, more or less: they are not counted. */
#define COUNTED_BYTES 65536u
/* How often, in a send timeout and at most, connections are looked at. */
#define LOOKS 4u
#define LONGEST_PAUSE_MS 1000u
/*
 * When nearly all contexts are in hand, connections are looked at more often. After some such looks, those
 * that have replies waiting behind others, and took less than one in ten of them since the last look, are
 * cut: whoever else calls would wait for them.
 */
#define CROWDED_ROOM 16u
#define CROWDED_PAUSE_NS (50 * NS_PER_MS)
#define CROWDED_LOOKS 3u
#define CROWDED_SHARE 10u
/* Statistics cost a look at every connection. */
#define REFRESH_NS (20 * NS_PER_MS)

/* The mutex is held. */
static bool take_room(struct rpc_call *call, size_t size)
{
    struct rpc_server *server = call->server;
    uint64_t others = server->reply_bytes - call->reserved, budget = server->options.reply_budget_bytes;
    bool fits = size <= call->reserved || others == 0 || (others <= budget && size <= budget - others);

    if (fits) {
        server->reply_bytes = others + size;
        call->reserved = size;
    }
    return fits;
}

enum wire_status rpc_call_reserve(struct rpc_call *call, size_t size, struct wire_error *error)
{
    struct rpc_server *server = call->server;
    size_t counted = size < COUNTED_BYTES ? 0 : size;
    uint64_t in_hand;
    bool fits;

    if (counted == 0 && call->reserved == 0)
        return WIRE_OK;
    pthread_mutex_lock(&server->mutex);
    fits = take_room(call, counted);
    in_hand = server->reply_bytes;
    pthread_mutex_unlock(&server->mutex);
    if (!fits && rpc_replies_refresh(server)) {
        pthread_mutex_lock(&server->mutex);
        fits = take_room(call, counted);
        in_hand = server->reply_bytes;
        pthread_mutex_unlock(&server->mutex);
    }
    if (fits)
        return WIRE_OK;
    return wire_error_set(error, WIRE_RESOURCE_EXHAUSTED,
                          "the reply may take %zu bytes, and %llu of %llu are taken by others; try again",
                          size, (unsigned long long)in_hand,
                          (unsigned long long)server->options.reply_budget_bytes);
}

void rpc_reply_release(struct rpc_call *call)
{
    call->server->reply_bytes -= call->reserved;
    call->reserved = 0;
}

static uint64_t pause_ns(const struct rpc_server *server)
{
    uint32_t pause_ms = server->options.send_timeout_ms / LOOKS;

    return (pause_ms < LONGEST_PAUSE_MS ? pause_ms + 1 : LONGEST_PAUSE_MS) * NS_PER_MS;
}

/* The mutex is held. */
static void watch_at(struct rpc_server *server, uint64_t at_ns)
{
    server->watch_at = at_ns;
    if (at_ns < server->timer_at) {
        server->timer_at = at_ns;
        pthread_cond_signal(&server->timer_wake);
    }
}

void rpc_reply_started(struct rpc_call *call, size_t size)
{
    struct rpc_server *server = call->server;
    struct peer *peer = call->peer;

    if (size < COUNTED_BYTES)
        rpc_reply_release(call);
    if (peer->unsent++ == 0 && peer->held == 0)
        peer->moved_ns = call->ended_ns;
    if (server->watch_at == UINT64_MAX)
        watch_at(server, call->ended_ns + pause_ns(server));
}

static bool is_crowded(const struct rpc_server *server)
{
    return server->in_hand + CROWDED_ROOM > server->options.contexts;
}

void rpc_replies_crowd(struct rpc_server *server)
{
    uint64_t soon;

    if (!is_crowded(server))
        return;
    soon = wire_now_ns() + CROWDED_PAUSE_NS;
    if (soon < server->watch_at)
        watch_at(server, soon);
}

void rpc_reply_ended(struct rpc_call *call, bool taken)
{
    struct rpc_server *server = call->server;
    struct peer *peer = call->peer;

    peer->unsent--;
    if (!taken)
        return;
    peer->replies++;
    rpc_reply_written(server, peer); /* the one before it */
    if (peer->counted && !peer->gone) {
        peer->held = call->reserved;
        call->reserved = 0;
    }
}

void rpc_reply_written(struct rpc_server *server, struct peer *peer)
{
    server->reply_bytes -= peer->held;
    peer->held = 0;
}

nng_stat *rpc_stat_named(nng_stat *stat, const char *name)
{
    for (stat = nng_stat_child(stat); stat != NULL; stat = nng_stat_next(stat))
        if (strcmp(nng_stat_name(stat), name) == 0)
            return stat;
    return NULL;
}

/* Whether the connection that a "pipe" statistic is about has written all it was given; true for strangers'.
 */
static bool pipe_has_written(struct rpc_server *server, nng_stat *pipe)
{
    nng_stat *id = rpc_stat_named(pipe, "id"), *sent = rpc_stat_named(pipe, "tx_msgs");
    struct peer *peer;

    if (id == NULL || sent == NULL)
        return true;
    peer = rpc_peer_find(server, (nng_pipe){.id = (uint32_t)nng_stat_value(id)});
    if (peer == NULL || !peer->counted)
        return true;
    if (nng_stat_value(sent) < peer->replies)
        return false;
    rpc_reply_written(server, peer);
    return true;
}

bool rpc_replies_written(struct rpc_server *server)
{
    nng_stat *root;
    bool written = true;

    if (nng_stats_get(&root) != 0)
        return true;
    pthread_mutex_lock(&server->mutex);
    for (nng_stat *stat = nng_stat_child(root); stat != NULL; stat = nng_stat_next(stat))
        if (strncmp(nng_stat_name(stat), "pipe", 4) == 0 && !pipe_has_written(server, stat))
            written = false;
    pthread_mutex_unlock(&server->mutex);
    nng_stats_free(root);
    return written;
}

bool rpc_replies_refresh(struct rpc_server *server)
{
    uint64_t now = wire_now_ns();
    bool due;

    pthread_mutex_lock(&server->mutex);
    due = now >= server->refresh_at;
    if (due)
        server->refresh_at = now + REFRESH_NS;
    pthread_mutex_unlock(&server->mutex);
    if (due)
        (void)rpc_replies_written(server);
    return due;
}

/* A connection with replies on their way, as it is looked at without the mutex. */
struct look {
    nng_pipe pipe;
    int hint;
    uint64_t taken;
    bool stalled;
};

/* The mutex is held. Ends with free; NULL with a count of 0 when there are none. */
static struct look *list_waiting(struct rpc_server *server, size_t *count)
{
    struct look *looks = NULL;

    *count = 0;
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (const struct peer *peer = server->peers[i]; peer != NULL; peer = peer->next) {
            if (peer->unsent == 0 && peer->held == 0)
                continue;
            if (looks == NULL && (looks = calloc(server->connections, sizeof *looks)) == NULL)
                return NULL;
            looks[(*count)++] = (struct look){.pipe.id = peer->id, .hint = peer->hint};
        }
    return looks;
}

/* The mutex is held. */
static bool is_in_the_way(const struct rpc_server *server, const struct peer *peer)
{
    return server->crowded_looks >= CROWDED_LOOKS &&
           (peer->replies - peer->replies_seen) * CROWDED_SHARE < peer->unsent;
}

/* The mutex is held. Whatever the peer takes counts, however slowly, unless the server stops or is crowded.
 * A reply may have begun since now. */
static void note(struct rpc_server *server, struct look *look, uint64_t now)
{
    struct peer *peer = rpc_peer_find(server, look->pipe);

    if (peer == NULL || (peer->unsent == 0 && peer->held == 0))
        return;
    if ((look->taken != peer->taken || peer->replies != peer->replies_seen) && !server->stopping)
        peer->moved_ns = now;
    look->stalled = now >= peer->moved_ns + server->patience_ms * NS_PER_MS || is_in_the_way(server, peer);
    peer->hint = look->hint;
    peer->taken = look->taken;
    peer->replies_seen = peer->replies;
}

void rpc_replies_hurry(struct rpc_server *server, uint32_t linger_ms)
{
    server->stopping = true;
    if (server->patience_ms > linger_ms)
        server->patience_ms = linger_ms;
}

/* The reset is seen when nng reads, and it reads when a context is free: so those that wait are freed too. */
static void cut(struct rpc_server *server, nng_pipe pipe)
{
    rpc_peer_reset(server, pipe);
    rpc_cancel_sends(server, pipe);
}

void rpc_replies_watch(struct rpc_server *server)
{
    uint64_t now = wire_now_ns();
    struct look *looks = NULL;
    size_t count = 0;

    pthread_mutex_lock(&server->mutex);
    if (now >= server->watch_at) {
        looks = list_waiting(server, &count);
        server->crowded_looks = is_crowded(server) ? server->crowded_looks + 1 : 0;
        if (server->crowded_looks != 0)
            server->watch_at = now + CROWDED_PAUSE_NS;
        else
            server->watch_at = count != 0 ? now + pause_ns(server) : UINT64_MAX;
    }
    pthread_mutex_unlock(&server->mutex);
    if (count == 0)
        return;
    (void)rpc_replies_refresh(server);
    for (size_t i = 0; i < count; i++)
        looks[i].taken = wire_progress(looks[i].pipe, &looks[i].hint);
    pthread_mutex_lock(&server->mutex);
    for (size_t i = 0; i < count; i++)
        note(server, &looks[i], now);
    pthread_mutex_unlock(&server->mutex);
    for (size_t i = 0; i < count; i++)
        if (looks[i].stalled)
            cut(server, looks[i].pipe);
    free(looks);
}
