/*
 * rate URLS PER_SECOND: calls a Tilery server, or several, at a fixed rate until its standard input ends,
 * whether the answers come or not. Each call has an id of its own, and its image goes by that; then one line
 * tells of them all: "sent 100 answered 100 correct 100 again 0". An error is no answer, a deadline's
 * neither; `again` are ends of calls that had theirs. What failed is told before.
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
#define TILE 32
#define TIMEOUT_MS 120000 /* a connection that is silent is given up earlier */

/* Of tests/vectors/kernel_vectors.csv. */
struct image {
    uint32_t width, height, max_iter;
    uint64_t iterations;
};

static const struct image images[] = {
    {16, 12, 50, 3000},    {33, 17, 255, 33438},      {64, 64, 256, 249382},    {96, 96, 128, 298025},
    {97, 89, 128, 276816}, {100, 100, 1000, 2224688}, {400, 300, 128, 3881252},
};
/* Takes the better part of a second by kernel scalar on one thread. */
static const struct image long_image = {127, 113, 65535, 202978798};

static struct call {
    struct image image;
    atomic_uint ends;
    atomic_bool answered, correct;
} calls[MAX_CALLS];

static atomic_uint in_hand;

static uint32_t tiles(const struct image *image, uint32_t tile)
{
    return ((image->width + tile - 1) / tile) * ((image->height + tile - 1) / tile);
}

static void on_done(void *arg, tilery_result *result, const struct tilery_error *error)
{
    struct call *call = arg;

    if (result != NULL) {
        struct tilery_summary summary = tilery_result_summary(result);
        uint32_t wanted = tiles(&call->image, TILE);

        call->answered = true;
        if (summary.iterations == call->image.iterations && summary.tiles_done == wanted &&
            tilery_result_count(result) == wanted)
            call->correct = true;
        else
            fprintf(stderr, "call %td: %" PRIu64 " iterations in %" PRIu64 " tiles\n", call - calls,
                    summary.iterations, (uint64_t)summary.tiles_done);
        tilery_result_free(result);
    } else
        fprintf(stderr, "call %td: %s: %s\n", call - calls, tilery_status_name(error->status),
                error->message);
    atomic_fetch_add(&call->ends, 1);
    atomic_fetch_sub(&in_hand, 1);
}

/* Two long ones, one after the other, every 24 seconds. */
static void send_one(tilery_client *client, unsigned n, unsigned per_second)
{
    bool is_long = n % (24 * per_second) < 2;
    const struct image *image = is_long ? &long_image : &images[n % (sizeof images / sizeof *images)];
    const struct tilery_call_options options = {.timeout_ms = TIMEOUT_MS};
    struct tilery_compute_request request;
    struct tilery_error error;

    tilery_compute_request_init(&request);
    request.width = image->width;
    request.height = image->height;
    request.tile_w = request.tile_h = TILE;
    request.max_iter = image->max_iter;
    request.time_limit_ms = TIMEOUT_MS;
    request.num_threads = is_long ? 1 : 2;
    request.kernel = is_long ? "scalar" : "auto";
    calls[n].image = *image;
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
        send_one(client, sent++, per_second);
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
        unsigned ends = atomic_load(&calls[i].ends);

        answered += calls[i].answered;
        correct += calls[i].correct;
        again += ends > 1 ? ends - 1 : 0;
    }
    printf("sent %u answered %u correct %u again %u\n", sent, answered, correct, again);
    return EXIT_SUCCESS;
}
