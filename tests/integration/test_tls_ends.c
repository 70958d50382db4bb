/* Connections over TLS that end with a message, of which nng may take no notice: both ends do. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "served.h"
#include "suite.h"

#define ROUNDS 10

/* More than what goes before a message, or after it. */
#define MESSAGE_BYTES 100
/* nng writes a message's length, its header and its body each as a record of TLS. A connection that ends
 * between them can leave nng 1.5 waiting for ever: it closes what it still writes to, and loses the rest. */
#define MESSAGE_RECORDS 3
#define RECORD_HEAD 5

/* Passes bytes between a client and the server, one connection after another, which it cuts behind the next
 * message of the one, or of the other. */
struct relay {
    struct sockaddr_in server;
    int listening;
    pthread_t thread;
    atomic_bool cut_request, cut_reply, ending;
};

/* The server's records. */
struct records {
    unsigned char head[RECORD_HEAD];
    size_t head_bytes, left; /* of the one that comes */
    unsigned ended, last;    /* so many have; behind which one to cut, or 0 */
};

static void count_records(struct records *records, const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        size_t some = 1;

        if (records->head_bytes < RECORD_HEAD) {
            records->head[records->head_bytes++] = *bytes;
            if (records->head_bytes == RECORD_HEAD)
                records->left = (size_t)records->head[3] << 8 | records->head[4];
        } else {
            some = count < records->left ? count : records->left;
            records->left -= some;
        }
        bytes += some;
        count -= some;
        if (records->head_bytes == RECORD_HEAD && records->left == 0) {
            records->head_bytes = 0;
            records->ended++;
        }
    }
}

/* Whether the reply that was to be the last has been passed on whole. */
static bool is_last(struct relay *relay, struct records *records, const unsigned char *bytes, size_t count)
{
    if (records->last == 0 && atomic_load(&relay->cut_reply))
        records->last = records->ended + MESSAGE_RECORDS;
    count_records(records, bytes, count);
    return records->last != 0 && records->ended >= records->last && atomic_exchange(&relay->cut_reply, false);
}

/* False when the connection is over. */
static bool pass(struct relay *relay, int from, int to, struct records *reply)
{
    static unsigned char bytes[65536];
    ssize_t got = read(from, bytes, sizeof bytes);

    if (got <= 0 || send(to, bytes, (size_t)got, MSG_NOSIGNAL) != got)
        return false;
    if (reply != NULL)
        return !is_last(relay, reply, bytes, (size_t)got);
    return got < MESSAGE_BYTES || !atomic_exchange(&relay->cut_request, false);
}

static void serve(struct relay *relay, int client, int server)
{
    struct pollfd polled[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    struct records reply = {.head_bytes = 0};
    bool on = true;

    while (on && poll(polled, 2, -1) > 0) {
        if (polled[0].revents != 0)
            on = pass(relay, client, server, NULL);
        if (on && polled[1].revents != 0)
            on = pass(relay, server, client, &reply);
    }
}

static void *run(void *arg)
{
    struct relay *relay = arg;
    int client;

    while ((client = accept(relay->listening, NULL, NULL)) >= 0 && !atomic_load(&relay->ending)) {
        int server = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(server, (const struct sockaddr *)&relay->server, sizeof relay->server) == 0)
            serve(relay, client, server);
        close(client);
        close(server);
    }
    return NULL;
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons((uint16_t)port)};
}

/* The URL is what the client dials. */
static void relay_start(struct relay *relay, char *url, size_t size)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    unsigned port;

    ck_assert_int_eq(sscanf(served.url, "tls+tcp://127.0.0.1:%u", &port), 1);
    relay->server = loopback(port);
    relay->listening = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(relay->listening, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(relay->listening, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(relay->listening, 16), 0);
    (void)snprintf(url, size, "tls+tcp://127.0.0.1:%u", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&relay->thread, NULL, run, relay), 0);
}

/* The client is closed. */
static void relay_stop(struct relay *relay)
{
    atomic_store(&relay->ending, true);
    shutdown(relay->listening, SHUT_RDWR);
    pthread_join(relay->thread, NULL);
    close(relay->listening);
}

START_TEST(a_connection_that_ends_with_a_reply_is_renewed)
{
    static struct relay relay;
    tilery_client *client;
    char url[64];

    served_start(TLS, 1, 8);
    relay_start(&relay, url, sizeof url);
    client = served_connect_once(url);
    for (int round = 0; round < ROUNDS; round++) {
        served_wait_healthy(client);
        atomic_store(&relay.cut_reply, true);
        while (atomic_load(&relay.cut_reply))
            (void)!tilery_health(client, NULL, &served.error);
    }
    tilery_client_close(client);
    relay_stop(&relay);
}
END_TEST

START_TEST(a_run_whose_caller_is_cut_off_behind_its_request_ends)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct relay relay;
    static struct ending ending;
    tilery_client *client;
    char url[64];

    served_start(TLS, 1, 8);
    relay_start(&relay, url, sizeof url);
    client = served_connect_once(url);
    for (int round = 0; round < ROUNDS; round++) {
        served_wait_healthy(client);
        atomic_store(&relay.cut_request, true);
        ending_of(&ending, client, &endless, 0, NULL);
        ck_assert_int_eq(ending_wait(&ending), TILERY_UNAVAILABLE);
        check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
    }
    tilery_client_close(client);
    relay_stop(&relay);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("tls ends");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, a_connection_that_ends_with_a_reply_is_renewed);
    tcase_add_test(tests, a_run_whose_caller_is_cut_off_behind_its_request_ends);
    return suite_run("tls ends", tests);
}
