#include "proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A handshake has 8 bytes, and so has the big-endian length before a message. */
#define HEAD_BYTES 8
#define MOST_BYTES (UINT64_C(128) << 20)

struct proxy {
    enum proxy_cut cut;
    struct sockaddr_in server;
    char url[64];
    int listening;
    int told; /* an eventfd, readable when the connection is to end */
    pthread_t thread;
    atomic_bool ending;
    atomic_uint count;
    atomic_uint requests, replies; /* of all connections */
};

/* One way through a connection. */
struct way {
    int from, to;
    bool greeted; /* the handshake is through */
    bool reply;
    size_t passed; /* of the messages, in bytes */
};

/* Waits until one of the two has something, and tells which; NULL when the connection is to end. */
static struct way *wait_for(const struct proxy *proxy, struct way *one, struct way *other)
{
    struct pollfd polled[] = {{.fd = proxy->told, .events = POLLIN},
                              {.fd = one->from, .events = POLLIN},
                              {.fd = other->from, .events = POLLIN}};

    while (poll(polled, 3, -1) < 0)
        continue;
    if (polled[0].revents != 0)
        return NULL;
    return polled[1].revents != 0 ? one : other;
}

/* False when there is no more to come, or the connection is to end. */
static bool read_all(const struct proxy *proxy, struct way *way, uint8_t *bytes, size_t len)
{
    while (len != 0) {
        ssize_t got = wait_for(proxy, way, way) != NULL ? read(way->from, bytes, len) : 0;

        if (got <= 0)
            return false;
        bytes += got;
        len -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len != 0) {
        ssize_t put = send(fd, bytes, len, MSG_NOSIGNAL);

        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

/* Whether the connection ends at this message, of that size. */
static bool cuts_at(struct proxy *proxy, const struct way *way, size_t size)
{
    bool reply = way->reply;
    unsigned number = atomic_fetch_add(reply ? &proxy->replies : &proxy->requests, 1) + 1;

    switch (proxy->cut) {
    case PROXY_AFTER_REPLIES:
        return reply && number > 1;
    case PROXY_WITHIN_REPLIES:
    case PROXY_BEFORE_REPLIES:
        return reply && number % 2 == 0;
    case PROXY_BEFORE_REQUESTS:
    case PROXY_AFTER_REQUESTS:
        return !reply && number > 2 && number % 2 == 0;
    case PROXY_BEFORE_THE_FIRST_REPLY:
        return reply && number == 1;
    case PROXY_AFTER_BYTES:
        return reply && way->passed + size > PROXY_BYTES;
    case PROXY_WHEN_TOLD:
        break;
    }
    return false;
}

/* How much of a message of that size still passes where the connection ends. */
static size_t last_part(const struct proxy *proxy, const struct way *way, size_t size)
{
    if (proxy->cut == PROXY_AFTER_BYTES)
        return PROXY_BYTES - way->passed;
    if (proxy->cut == PROXY_AFTER_REPLIES || proxy->cut == PROXY_AFTER_REQUESTS)
        return size;
    return proxy->cut == PROXY_WITHIN_REPLIES ? size / 2 : 0;
}

/* The message with that length before it. False when the connection is over. */
static bool pass_message(struct proxy *proxy, struct way *way, uint64_t length)
{
    size_t size = HEAD_BYTES + be64toh(length);
    uint8_t *message = malloc(size);
    bool on, cut;

    ck_assert_ptr_nonnull(message);
    *(uint64_t *)(void *)message = length;
    on = read_all(proxy, way, message + HEAD_BYTES, size - HEAD_BYTES);
    if (on) {
        cut = cuts_at(proxy, way, size);
        on = write_all(way->to, message, cut ? last_part(proxy, way, size) : size) && !cut;
        way->passed += size;
        atomic_fetch_add(&proxy->count, cut);
    }
    free(message);
    return on;
}

static bool pass(struct proxy *proxy, struct way *way)
{
    uint64_t head;

    if (!read_all(proxy, way, (uint8_t *)&head, sizeof head))
        return false;
    if (way->greeted) {
        ck_assert_uint_le(be64toh(head), MOST_BYTES);
        return pass_message(proxy, way, head);
    }
    way->greeted = true;
    return write_all(way->to, (const uint8_t *)&head, sizeof head);
}

static void serve(struct proxy *proxy, int client, int server)
{
    struct way requests = {.from = client, .to = server}, replies = {server, client, .reply = true}, *next;

    do
        next = wait_for(proxy, &requests, &replies);
    while (next != NULL && pass(proxy, next));
}

static void take_connection(struct proxy *proxy)
{
    int client = accept(proxy->listening, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);

    if (client >= 0 && connect(server, (const struct sockaddr *)&proxy->server, sizeof proxy->server) == 0)
        serve(proxy, client, server);
    close(server);
    if (client >= 0)
        close(client);
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;
    struct way callers = {.from = proxy->listening};
    eventfd_t times;

    while (!atomic_load(&proxy->ending))
        if (wait_for(proxy, &callers, &callers) != NULL)
            take_connection(proxy);
        else
            (void)eventfd_read(proxy->told, &times);
    return NULL;
}

static void listen_anywhere(struct proxy *proxy)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;

    proxy->listening = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(proxy->listening, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(proxy->listening, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(proxy->listening, 16), 0);
    (void)snprintf(proxy->url, sizeof proxy->url, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
}

struct proxy *proxy_start(const char *server_url, enum proxy_cut cut)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    unsigned port;

    ck_assert_ptr_nonnull(proxy);
    ck_assert_int_eq(sscanf(server_url, "tcp://127.0.0.1:%u", &port), 1);
    proxy->server = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons((uint16_t)port)};
    proxy->cut = cut;
    listen_anywhere(proxy);
    proxy->told = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_ge(proxy->told, 0);
    ck_assert_int_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

const char *proxy_url(const struct proxy *proxy)
{
    return proxy->url;
}

void proxy_cut_now(struct proxy *proxy)
{
    (void)eventfd_write(proxy->told, 1);
}

unsigned proxy_count(const struct proxy *proxy)
{
    return atomic_load(&proxy->count);
}

unsigned proxy_requests(const struct proxy *proxy)
{
    return atomic_load(&proxy->requests);
}

void proxy_stop(struct proxy *proxy)
{
    atomic_store(&proxy->ending, true);
    proxy_cut_now(proxy);
    pthread_join(proxy->thread, NULL);
    close(proxy->listening);
    close(proxy->told);
    free(proxy);
}
