/* Connections over TLS that end with a message or within it, of which nng may take no notice: both ends do.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>

#include "served.h"
#include "suite.h"

#define ROUNDS 8

/* More than what goes before a message, or after it. */
#define MESSAGE_BYTES 100

/* Passes bytes between a client and the server, one connection after another, which it cuts behind the next
 * message of the one, or so many bytes of the other after it is told. */
struct relay {
    struct sockaddr_in server;
    int listening;
    pthread_t thread;
    atomic_bool cut_request, ending;
    atomic_long reply_left; /* bytes to pass on before the cut; 0: there is none */
};

/* Whether the connection is to be cut now that so many more bytes have come. */
static bool is_enough(atomic_long *left, ssize_t got)
{
    long before = atomic_load(left), after = before > got ? before - got : 0;

    return before != 0 && atomic_compare_exchange_strong(left, &before, after) && after == 0;
}

/* False when the connection is over. */
static bool pass(struct relay *relay, int from, int to, bool reply)
{
    static char bytes[65536];
    ssize_t got = read(from, bytes, sizeof bytes);

    if (got <= 0 || send(to, bytes, (size_t)got, MSG_NOSIGNAL) != got)
        return false;
    if (reply)
        return !is_enough(&relay->reply_left, got);
    return got < MESSAGE_BYTES || !atomic_exchange(&relay->cut_request, false);
}

static void serve(struct relay *relay, int client, int server)
{
    struct pollfd polled[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    bool on = true;

    while (on && poll(polled, 2, -1) > 0) {
        if (polled[0].revents != 0)
            on = pass(relay, client, server, false);
        if (on && polled[1].revents != 0)
            on = pass(relay, server, client, true);
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

/* A server, and a client of it through the relay, which tries nothing twice. */
static tilery_client *start(struct relay *relay)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    unsigned port;
    char url[64];

    served_start(TLS, 1, 8);
    ck_assert_int_eq(sscanf(served.url, "tls+tcp://127.0.0.1:%u", &port), 1);
    relay->server = loopback(port);
    relay->listening = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(relay->listening, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(relay->listening, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(relay->listening, 16), 0);
    (void)snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%u", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&relay->thread, NULL, run, relay), 0);
    return served_connect_once(url);
}

static void end(struct relay *relay, tilery_client *client)
{
    tilery_client_close(client);
    atomic_store(&relay->ending, true);
    shutdown(relay->listening, SHUT_RDWR);
    pthread_join(relay->thread, NULL);
    close(relay->listening);
}

START_TEST(a_connection_that_ends_with_a_reply_is_renewed)
{
    static struct relay relay;
    tilery_client *client = start(&relay);

    for (int round = 0; round < ROUNDS; round++) {
        served_wait_healthy(client);
        atomic_store(&relay.reply_left, 1);
        while (atomic_load(&relay.reply_left) != 0)
            (void)!tilery_health(client, NULL, &served.error);
    }
    end(&relay, client);
}
END_TEST

/* The server has the rest of it still to write, record by record. */
START_TEST(a_connection_that_ends_within_a_reply_is_renewed)
{
    const struct tilery_compute_request many = served_request(1024, 1024, 4, 4, 1); /* some 3 MB of records */
    static struct relay relay;
    tilery_client *client = start(&relay);

    for (int round = 0; round < ROUNDS; round++) {
        served_wait_healthy(client);
        atomic_store(&relay.reply_left, 10000 + 50000 * round);
        check_status(served_compute(client, &many, 0, NULL), TILERY_UNAVAILABLE);
    }
    end(&relay, client);
}
END_TEST

START_TEST(a_run_whose_caller_is_cut_off_behind_its_request_ends)
{
    const struct tilery_compute_request endless = served_endless(), small = served_request(8, 8, 8, 8, 1);
    static struct relay relay;
    static struct ending ending;
    tilery_client *client = start(&relay);

    for (int round = 0; round < ROUNDS; round++) {
        served_wait_healthy(client);
        atomic_store(&relay.cut_request, true);
        ending_of(&ending, client, &endless, 0, NULL);
        ck_assert_int_eq(ending_wait(&ending), TILERY_UNAVAILABLE);
        check_status(served_compute(served.client, &small, 0, NULL), TILERY_OK);
    }
    end(&relay, client);
}
END_TEST

static void on_end(void *arg)
{
    sem_post(arg);
}

/* As nng does it where a connection is closed between two pieces of a message; then it is seldom hit. */
START_TEST(what_is_begun_once_it_was_stopped_ends)
{
    void (*const begin[])(nng_stream *, nng_aio *) = {nng_stream_send, nng_stream_recv};
    nng_stream_dialer *dialer;
    nng_stream *stream;
    nng_aio *aio;
    sem_t ended;
    char byte = 0;
    const nng_iov iov = {&byte, 1};

    served_start(TCP, 1, 8);
    sem_init(&ended, 0, 0);
    ck_assert_int_eq(nng_stream_dialer_alloc(&dialer, served.url), 0);
    ck_assert_int_eq(nng_aio_alloc(&aio, NULL, NULL), 0);
    nng_stream_dialer_dial(dialer, aio);
    nng_aio_wait(aio);
    stream = nng_aio_get_output(aio, 0);
    ck_assert_ptr_nonnull(stream);
    nng_aio_free(aio);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(nng_aio_alloc(&aio, on_end, &ended), 0);
        ck_assert_int_eq(nng_aio_set_iov(aio, 1, &iov), 0);
        nng_aio_stop(aio);
        begin[i](stream, aio);
        ck_assert_int_eq(sem_wait(&ended), 0);
        ck_assert_int_eq(nng_aio_result(aio), NNG_ECONNRESET);
        nng_aio_free(aio);
    }
    nng_stream_free(stream);
    nng_stream_dialer_free(dialer);
    sem_destroy(&ended);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("tls ends");

    tcase_add_checked_fixture(tests, NULL, served_end);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, a_connection_that_ends_with_a_reply_is_renewed);
    tcase_add_test(tests, a_connection_that_ends_within_a_reply_is_renewed);
    tcase_add_test(tests, what_is_begun_once_it_was_stopped_ends);
    tcase_add_test(tests, a_run_whose_caller_is_cut_off_behind_its_request_ends);
    return suite_run("tls ends", tests);
}
