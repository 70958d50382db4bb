/*
 * rate URLS PER_SECOND: calls a Tilery server, or several, at a fixed rate until its standard input ends,
 * whether the answers come or not. Each call has an id of its own; then one line tells of them all: "sent 100
 * answered 100 correct 100 again 0", of which `again` are answers to calls that had theirs. What failed is
 * told before.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tilery/client.h"

#define MAX_CALLS 100000u
#define TIMEOUT_MS 20000
/* Of the image below: 95 x 64 pixels in tiles of 32 x 32, after 200 iterations at most. */
#define TILES 6

static struct call {
    atomic_uint answers;
    atomic_bool correct;
} calls[MAX_CALLS];

static atomic_uint in_hand;
static atomic_uint_least64_t iterations; /* of the first answer; each must have as many */

static void on_done(void *arg, tilery_result *result, const struct tilery_error *error)
{
    struct call *call = arg;

    if (result != NULL) {
        struct tilery_summary summary = tilery_result_summary(result);
        uint64_t none = 0;

        if (!atomic_compare_exchange_strong(&iterations, &none, summary.iterations) &&
            none != summary.iterations)
            fprintf(stderr, "call %td: %" PRIu64 " iterations, not %" PRIu64 "\n", call - calls,
                    summary.iterations, none);
        else if (summary.tiles_done == TILES && tilery_result_count(result) == TILES)
            call->correct = true;
        tilery_result_free(result);
    } else
        fprintf(stderr, "call %td: %s: %s\n", call - calls, tilery_status_name(error->status),
                error->message);
    atomic_fetch_add(&call->answers, 1);
    atomic_fetch_sub(&in_hand, 1);
}

static void send_one(tilery_client *client, unsigned n)
{
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tilery_compute_request request;
    struct tilery_error error;

    tilery_compute_request_init(&request);
    request.width = 95;
    request.height = 64;
    request.tile_w = request.tile_h = 32;
    request.max_iter = 200;
    request.num_threads = 2;
    atomic_fetch_add(&in_hand, 1);
    if (tilery_compute_async(client, &request, &options, on_done, &calls[n], &error) != TILERY_OK)
        on_done(&calls[n], NULL, &error);
}

static bool input_ended(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&input, 1, 0) > 0;
}

/* The next call's time comes from the first one's, so that a late one does not put off all that follow. */
static unsigned send_all(tilery_client *client, unsigned per_second)
{
    struct timespec at;
    unsigned sent = 0;

    clock_gettime(CLOCK_MONOTONIC, &at);
    while (sent < MAX_CALLS && !input_ended()) {
        send_one(client, sent++);
        at.tv_nsec += 1000000000L / per_second;
        if (at.tv_nsec >= 1000000000L) {
            at.tv_nsec -= 1000000000L;
            at.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    return sent;
}

int main(int argc, char **argv)
{
    struct tilery_client_options options = {.server = argc == 3 ? argv[1] : NULL};
    unsigned per_second = argc == 3 ? (unsigned)atoi(argv[2]) : 0, sent, answered = 0, correct = 0, again = 0;
    struct tilery_error error;
    tilery_client *client;

    if (per_second == 0 || tilery_client_open(&options, &client, &error) != TILERY_OK ||
        tilery_health(client, NULL, &error) != TILERY_OK) {
        fprintf(stderr, "usage: rate URLS PER_SECOND, of servers that serve\n");
        return EXIT_FAILURE;
    }
    puts("begun");
    fflush(stdout);
    sent = send_all(client, per_second);
    while (atomic_load(&in_hand) != 0)
        (void)poll(NULL, 0, 1);
    tilery_client_close(client);
    for (unsigned i = 0; i < sent; i++) {
        unsigned answers = atomic_load(&calls[i].answers);

        answered += answers != 0;
        correct += calls[i].correct;
        again += answers > 1 ? answers - 1 : 0;
    }
    printf("sent %u answered %u correct %u again %u\n", sent, answered, correct, again);
    return EXIT_SUCCESS;
}
