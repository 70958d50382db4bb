/*
 * Load on a server: clients that call again as soon as they have their answer, or calls at a fixed rate. All
 * calls are asynchronous ones over one connection to each server, so that a call in flight takes no thread.
 * Answers come on the library's threads; this thread sends what is due.
 */
#include "bench.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "calls.h"
#include "pace.h"
#include "progress.h"
#include "wire/clock.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define TIMEOUT_MS 10000u
#define BATCH 256u               /* calls that are sent before a signal is looked for */
#define REST_NS (10 * NS_PER_MS) /* of a client whose call failed, or it would do nothing else */

/* A place for a call. */
struct flight {
    struct bench *bench;
    struct flight *next; /* among the free ones */
    uint64_t due_ns;     /* when its call was to be sent; 0: it has none */
};

/* The mutex guards all that the answers change: the report, the flights and their lists. */
struct bench {
    tilery_client *client;
    const struct cli_options *options;
    struct tilery_call_options call;
    unsigned clients;
    uint64_t from_ns, end_ns; /* the measured time */
    struct pace pace;         /* of a fixed rate */
    struct progress progress;
    int waker; /* an eventfd: a flight is free again */
    pthread_mutex_t mutex;
    struct bench_report report;
    struct flight *free;
    unsigned in_flight;
    bool over; /* nothing counts any more; the last answer frees all */
    struct flight flights[];
};

static void free_bench(struct bench *bench)
{
    if (bench->waker >= 0)
        close(bench->waker);
    pthread_mutex_destroy(&bench->mutex);
    free(bench);
}

/* ---- Calls ---- */

/* The mutex is held. */
static void count_answer(struct bench *bench, const struct flight *flight, enum tilery_status status)
{
    struct bench_report *report = &bench->report;
    uint64_t now = wire_now_ns();

    if (status == TILERY_OK && now >= bench->from_ns && now < bench->end_ns)
        report->answered++;
    if (flight->due_ns < bench->from_ns || flight->due_ns >= bench->end_ns)
        return;
    if (status == TILERY_OK)
        hdr_add(&report->latency_ns, now - flight->due_ns);
    else
        report->errors[(unsigned)status < BENCH_CODES ? status : TILERY_UNKNOWN]++;
}

/* The mutex is held. Whether the flight's client calls again at once; else it is free. */
static bool goes_on(struct bench *bench, struct flight *flight, enum tilery_status status)
{
    uint64_t now = wire_now_ns();

    if (!bench->over && bench->options->rate == 0 && status == TILERY_OK && now < bench->end_ns) {
        flight->due_ns = now;
        return true;
    }
    flight->due_ns = 0;
    flight->next = bench->free;
    bench->free = flight;
    bench->in_flight--;
    if (!bench->over)
        (void)!write(bench->waker, &(uint64_t){1}, sizeof(uint64_t));
    return false;
}

/* Whether the flight's client calls again. The bench may be gone when it returns false. */
static bool land(struct flight *flight, enum tilery_status status)
{
    struct bench *bench = flight->bench;
    bool again, last;

    pthread_mutex_lock(&bench->mutex);
    if (!bench->over)
        count_answer(bench, flight, status);
    again = goes_on(bench, flight, status);
    last = bench->over && bench->in_flight == 0;
    pthread_mutex_unlock(&bench->mutex);
    if (last)
        free_bench(bench);
    return again;
}

static void send_call(struct flight *flight);

static void on_answer(void *arg, tilery_result *result, const struct tilery_error *error)
{
    tilery_result_free(result);
    if (land(arg, error != NULL ? error->status : TILERY_OK))
        send_call(arg);
}

static void send_call(struct flight *flight)
{
    struct bench *bench = flight->bench;
    struct tilery_error error;

    if (tilery_compute_async(bench->client, &bench->options->request, &bench->call, on_answer, flight,
                             &error) != TILERY_OK)
        (void)land(flight, error.status); /* no client goes on after a failure */
}

/* NULL where none is free. */
static struct flight *take_flight(struct bench *bench, uint64_t due_ns)
{
    struct flight *flight;

    pthread_mutex_lock(&bench->mutex);
    flight = bench->free;
    if (flight != NULL) {
        bench->free = flight->next;
        bench->in_flight++;
        flight->due_ns = due_ns;
    }
    pthread_mutex_unlock(&bench->mutex);
    return flight;
}

static bool has_free_flight(struct bench *bench)
{
    bool has;

    pthread_mutex_lock(&bench->mutex);
    has = bench->free != NULL;
    pthread_mutex_unlock(&bench->mutex);
    return has;
}

/* ---- Sending ---- */

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sends what is due, as far as there are places; returns when to look again. UINT64_MAX: when there is a
 * place again. */
static uint64_t send_paced(struct bench *bench)
{
    uint64_t due_ns, now = wire_now_ns();

    for (unsigned i = 0; i < BATCH && now < bench->end_ns; i++, now = wire_now_ns()) {
        if (!has_free_flight(bench))
            return UINT64_MAX;
        if (!pace_take(&bench->pace, now, &due_ns))
            return due_ns;
        send_call(take_flight(bench, due_ns));
    }
    return now;
}

/* All that are free, at first or after a failure. */
static uint64_t send_rested(struct bench *bench)
{
    struct flight *flight;

    for (unsigned i = 0; i < bench->clients && (flight = take_flight(bench, wire_now_ns())) != NULL; i++)
        send_call(flight);
    return wire_now_ns() + REST_NS;
}

/* Until the time, until a flight is free where that is asked for, or until a signal comes. */
static void wait_until(const struct bench *bench, uint64_t until_ns, bool for_flight)
{
    struct pollfd wakers[] = {{.fd = bench->options->signals, .events = POLLIN},
                              {.fd = for_flight ? bench->waker : -1, .events = POLLIN}};
    uint64_t now = wire_now_ns(), left = until_ns > now ? until_ns - now : 0, count;
    struct timespec time = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};

    if (ppoll(wakers, 2, &time, NULL) > 0 && wakers[1].revents != 0)
        (void)!read(bench->waker, &count, sizeof count);
}

static bool is_ended(const struct bench *bench)
{
    return *bench->options->ended != 0;
}

/* How much there is, beside a bar that is over at the end. */
static unsigned show(struct bench *bench)
{
    uint64_t answered;
    unsigned in_flight;

    pthread_mutex_lock(&bench->mutex);
    answered = bench->report.answered;
    in_flight = bench->in_flight;
    pthread_mutex_unlock(&bench->mutex);
    progress_show_time(&bench->progress, bench->from_ns, bench->end_ns, answered);
    return in_flight;
}

static void send_all(struct bench *bench)
{
    bool paced = bench->options->rate != 0;

    while (!is_ended(bench) && wire_now_ns() < bench->end_ns) {
        uint64_t next_ns = paced ? send_paced(bench) : send_rested(bench);
        uint64_t frame_ns = wire_now_ns() + PROGRESS_MS * NS_PER_MS;

        (void)show(bench);
        wait_until(bench, min(min(next_ns, frame_ns), bench->end_ns), paced && next_ns == UINT64_MAX);
    }
}

/* The answers to what is in flight, each within its timeout. */
static void wait_for_answers(struct bench *bench)
{
    while (show(bench) != 0 && !is_ended(bench))
        wait_until(bench, wire_now_ns() + NS_PER_S, true);
}

/* What has no answer counts with the time that it has waited: left out, the slowest would be. */
static void count_waiting(struct bench *bench)
{
    uint64_t now = wire_now_ns(), due_ns;

    for (unsigned i = 0; i < bench->clients; i++) {
        due_ns = bench->flights[i].due_ns;
        if (due_ns < bench->from_ns || due_ns >= bench->end_ns)
            continue;
        hdr_add(&bench->report.latency_ns, now - due_ns);
        bench->report.unanswered++;
    }
    while (bench->options->rate != 0 && pace_take(&bench->pace, bench->end_ns, &due_ns)) {
        if (due_ns < bench->from_ns)
            continue;
        hdr_add(&bench->report.latency_ns, bench->end_ns - due_ns);
        bench->report.unsent++;
    }
}

/* Takes the report, after which nothing counts. The bench is gone then, or when the last answer comes. */
static void finish(struct bench *bench, struct bench_report *report)
{
    bool last;

    pthread_mutex_lock(&bench->mutex);
    count_waiting(bench);
    *report = bench->report;
    report->ns = bench->end_ns > bench->from_ns ? bench->end_ns - bench->from_ns : 0;
    report->signal = *bench->options->ended;
    bench->over = true;
    last = bench->in_flight == 0;
    pthread_mutex_unlock(&bench->mutex);
    if (last)
        free_bench(bench);
}

static void run(struct bench *bench, struct bench_report *report)
{
    const struct cli_options *options = bench->options;
    uint64_t start_ns = wire_now_ns();

    bench->from_ns = start_ns + options->warm_up_ms * NS_PER_MS;
    bench->end_ns = bench->from_ns + options->duration_ms * NS_PER_MS;
    bench->pace = (struct pace){.start_ns = start_ns, .end_ns = bench->end_ns, .rate = options->rate};
    progress_begin(&bench->progress, options, "answered");
    send_all(bench);
    if (is_ended(bench)) {
        pthread_mutex_lock(&bench->mutex);
        bench->end_ns = bench->pace.end_ns = wire_now_ns();
        pthread_mutex_unlock(&bench->mutex);
    } else {
        wait_for_answers(bench);
    }
    progress_end(&bench->progress);
    finish(bench, report);
}

/* ---- From the start to the end ---- */

static struct bench *new_bench(tilery_client *client, const struct cli_options *options)
{
    unsigned clients = options->clients;
    struct bench *bench = calloc(1, sizeof *bench + clients * sizeof *bench->flights);

    if (bench == NULL)
        return NULL;
    bench->client = client;
    bench->options = options;
    bench->clients = clients;
    bench->call = options->call;
    if (bench->call.timeout_ms == 0)
        bench->call.timeout_ms = TIMEOUT_MS;
    bench->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&bench->mutex, NULL);
    for (unsigned i = 0; i < clients; i++) {
        bench->flights[i] = (struct flight){.bench = bench, .next = bench->free};
        bench->free = &bench->flights[i];
    }
    return bench;
}

/* One call by itself: what is wrong with the request or the server is said in words. */
static int try_one(tilery_client *client, const struct cli_options *options)
{
    struct tilery_error error;
    tilery_result *result;

    if (call_compute(client, options, &options->request, &result, &error) != TILERY_OK)
        return cli_fail(options, &error);
    tilery_result_free(result);
    return 0;
}

/* Where no call went well, the first code that one ended with. */
static int status_of(const struct bench_report *report)
{
    if (report->signal != 0)
        return 128 + report->signal;
    for (unsigned code = 0; code < BENCH_CODES && report->answered == 0; code++)
        if (report->errors[code] != 0)
            return tilery_status_exit((enum tilery_status)code);
    return 0;
}

static int measure(tilery_client *client, const struct cli_options *options, bool json)
{
    struct bench *bench = new_bench(client, options);
    struct bench_report *report = malloc(sizeof *report);
    struct tilery_error error = {.status = TILERY_RESOURCE_EXHAUSTED, .message = "no memory for the calls"};
    struct cli_output output;
    int status;

    if (bench == NULL || report == NULL)
        status = cli_fail(options, &error);
    else
        status = cli_output_open(&output, options);
    if (status == 0) {
        run(bench, report);
        (json ? bench_json : bench_table)(options, report, output.file);
        status = cli_output_close(&output, 0);
        if (status == 0)
            status = status_of(report);
    } else if (bench != NULL) {
        free_bench(bench);
    }
    free(report);
    return status;
}

int cli_bench(tilery_client *client, const struct cli_options *options)
{
    bool json = !cli_is_for_terminal(options);
    int status;

    if (options->format != NULL) {
        json = strcmp(options->format, "json") == 0;
        if (!json && strcmp(options->format, "table") != 0)
            return cli_refuse("--format", options->format, "table or json");
    }
    status = try_one(client, options);
    return status != 0 ? status : measure(client, options, json);
}
