/* Connections whose TLS handshake does not get on. nng means to end them after 10 s, as it does those over
 * TCP, but what it cancels then is a send that is not under way: they would stay for ever, and keep others
 * out. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rpc/internal.h"
#include "wire/clock.h"
#include "wire/socket.h"

#define PATIENCE_MS UINT64_C(10000)
#define NS_PER_MS UINT64_C(1000000)

struct stranger {
    struct sockaddr_storage from;
    uint64_t since_ns;
};

/* One look: whom it knows, whom the last one found, whom it has found. */
struct look {
    const nng_sockaddr *known;
    size_t known_count;
    const struct strangers *before;
    struct strangers *found;
    size_t room;
    uint64_t now, ended;
};

static bool is_known(const struct look *look, const struct sockaddr_storage *from)
{
    for (size_t i = 0; i < look->known_count; i++)
        if (wire_same_address(from, &look->known[i]))
            return true;
    return false;
}

static uint64_t seen_since(const struct look *look, const struct sockaddr_storage *from)
{
    for (size_t i = 0; i < look->before->count; i++)
        if (memcmp(&look->before->list[i].from, from, sizeof *from) == 0)
            return look->before->list[i].since_ns;
    return look->now;
}

static struct stranger *add(struct look *look)
{
    struct strangers *found = look->found;
    struct stranger *more;

    if (found->count == look->room) {
        more = realloc(found->list, (2 * look->room + 16) * sizeof *more);
        if (more == NULL)
            return NULL;
        found->list = more;
        look->room = 2 * look->room + 16;
    }
    return &found->list[found->count++];
}

static void meet(int fd, const struct sockaddr_storage *from, void *arg)
{
    struct look *look = arg;
    struct stranger *stranger;
    uint64_t since_ns;

    if (is_known(look, from))
        return;
    since_ns = seen_since(look, from);
    if (look->now - since_ns >= PATIENCE_MS * NS_PER_MS) {
        look->ended += shutdown(fd, SHUT_RDWR) == 0;
        return;
    }
    stranger = add(look);
    if (stranger != NULL)
        *stranger = (struct stranger){*from, since_ns};
}

void rpc_strangers_look(struct rpc_server *server, const nng_pipe *pipes, size_t count)
{
    const struct rpc_server_options *options = &server->options;
    nng_sockaddr *known = calloc(count + 1, sizeof *known);
    struct strangers found = {.list = NULL};
    struct look look = {.known = known, .before = &server->strangers, .found = &found, .now = wire_now_ns()};

    if (known == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        if (nng_pipe_get_addr(pipes[i], NNG_OPT_REMADDR, &known[look.known_count]) == 0)
            look.known_count++;
    for (unsigned i = 0; i < RPC_MAX_LISTENERS; i++) {
        int port = atomic_load(&server->tls_ports[i]);

        look.ended = 0;
        if (port != 0)
            wire_each_connected(port, meet, &look);
        if (look.ended != 0 && options->on_refused != NULL)
            options->on_refused(options->on_refused_arg, i, RPC_REFUSED_SLOW, look.ended);
    }
    free(known);
    rpc_strangers_forget(server);
    server->strangers = found;
}

void rpc_strangers_forget(struct rpc_server *server)
{
    free(server->strangers.list);
    server->strangers = (struct strangers){.list = NULL};
}
