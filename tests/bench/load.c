#include "load.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/clock.h"

#define WARM_UP 20
#define NS_PER_MS UINT64_C(1000000)

struct caller {
    const struct target *target;
    void *client;
    pthread_t thread;
    pthread_barrier_t *start;
    uint64_t length_ns, begin_ns, end_ns;
    struct sample times_us;
};

static void fail(const struct target *target, const char *what)
{
    fprintf(stderr, "%s: %s\n", target->name, what);
    exit(1);
}

static void call(const struct caller *caller)
{
    if (!caller->target->call(caller->client))
        fail(caller->target, "a call failed");
}

static void *call_again(void *arg)
{
    struct caller *caller = arg;
    uint64_t begin, end;

    for (unsigned i = 0; i < WARM_UP; i++)
        call(caller);
    (void)pthread_barrier_wait(caller->start);
    caller->begin_ns = end = clock_now_ns();
    while (end < caller->begin_ns + caller->length_ns) {
        begin = end;
        call(caller);
        end = clock_now_ns();
        sample_add(&caller->times_us, (double)(end - begin) / 1e3);
    }
    caller->end_ns = end;
    return NULL;
}

void load_open(struct load *load, const struct target *target, unsigned count)
{
    *load = (struct load){.target = target, .count = count};
    load->clients = calloc(count, sizeof *load->clients);
    for (unsigned i = 0; i < count; i++)
        if (load->clients == NULL || (load->clients[i] = target->open(target)) == NULL)
            fail(target, "a client could not be opened");
}

void load_close(struct load *load)
{
    for (unsigned i = 0; i < load->count; i++)
        load->target->close(load->clients[i]);
    free(load->clients);
}

/* From the first caller's begin to the last one's end. */
static double rate_of(const struct caller *callers, unsigned count)
{
    uint64_t begin = callers[0].begin_ns, end = callers[0].end_ns;
    size_t calls = 0;

    for (unsigned i = 0; i < count; i++) {
        calls += callers[i].times_us.count;
        if (callers[i].begin_ns < begin)
            begin = callers[i].begin_ns;
        if (callers[i].end_ns > end)
            end = callers[i].end_ns;
    }
    return (double)calls * 1e9 / (double)(end - begin);
}

double load_run(const struct load *load, unsigned clients, unsigned ms, struct sample *times_us)
{
    struct caller *callers = calloc(clients, sizeof *callers);
    pthread_barrier_t start;
    double rate;

    if (callers == NULL)
        fail(load->target, "no memory");
    pthread_barrier_init(&start, NULL, clients);
    for (unsigned i = 0; i < clients; i++) {
        callers[i] = (struct caller){
            .target = load->target, .client = load->clients[i], .start = &start, .length_ns = ms * NS_PER_MS};
        if (pthread_create(&callers[i].thread, NULL, call_again, &callers[i]) != 0)
            fail(load->target, "no thread for a client");
    }
    for (unsigned i = 0; i < clients; i++)
        pthread_join(callers[i].thread, NULL);
    rate = rate_of(callers, clients);
    for (unsigned i = 0; i < clients; i++) {
        for (size_t k = 0; k < callers[i].times_us.count; k++)
            sample_add(times_us, callers[i].times_us.values[k]);
        sample_free(&callers[i].times_us);
    }
    pthread_barrier_destroy(&start);
    free(callers);
    return rate;
}
