#include "metrics.h"

#include <string.h>

#include "exposition.h"

#define REQUESTS "tilery_bridge_requests_total"
#define DURATION "tilery_bridge_request_duration_seconds"
#define LEFT_EARLY 499u

#define MS UINT64_C(1000000)

static const char *const methods[METRICS_METHODS] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "other"};

static const unsigned codes[METRICS_CODES - 1] = {200, 204, 304, 400, 401, 403, 404, 405, 409,        410,
                                                  413, 414, 415, 429, 431, 500, 501, 503, LEFT_EARLY, 504};

static const uint64_t bounds_ns[METRICS_BOUNDS] = {
    MS / 10, MS / 4,   MS / 2,   MS,       5 * MS / 2, 5 * MS,    10 * MS,   25 * MS,
    50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS,  2500 * MS, 5000 * MS, 10000 * MS};

static void add(atomic_uint_least64_t *counter, uint64_t value)
{
    (void)atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static uint64_t value_of(const atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static unsigned method_of(const char *name)
{
    unsigned i = 0;

    while (i < METRICS_METHODS - 1 && strcmp(methods[i], name) != 0)
        i++;
    return i;
}

static unsigned code_of(unsigned http)
{
    unsigned i = 0;

    while (i < METRICS_CODES - 1 && codes[i] != http)
        i++;
    return i;
}

void metrics_count(struct metrics *metrics, const struct metrics_request *request)
{
    struct metrics_route *route = &metrics->routes[request->route];
    unsigned http = request->http != 0 ? request->http : LEFT_EARLY;
    unsigned bucket = 0;

    while (bucket < METRICS_BOUNDS && request->duration_ns > bounds_ns[bucket])
        bucket++;
    add(&route->requests[method_of(request->method)][code_of(http)], 1);
    add(&route->times[bucket], 1);
    add(&route->sum_ns, request->duration_ns);
    add(&metrics->received_bytes, request->received_bytes);
    add(&metrics->sent_bytes, request->sent_bytes);
}

/* Those that never came are left out: there are thousands. */
static void write_requests(FILE *out, const struct metrics_route *route, const char *name)
{
    char code[16];

    for (unsigned i = 0; i < METRICS_CODES; i++) {
        if (i < METRICS_CODES - 1)
            (void)snprintf(code, sizeof code, "%u", codes[i]);
        else
            (void)snprintf(code, sizeof code, "other");
        for (unsigned method = 0; method < METRICS_METHODS; method++) {
            const struct exposition_label labels[] = {
                {"route", name}, {"method", methods[method]}, {"code", code}, {NULL, NULL}};
            uint64_t count = value_of(&route->requests[method][i]);

            if (count != 0)
                exposition_sample(out, REQUESTS, labels, count);
        }
    }
}

static void write_times(FILE *out, const struct metrics_route *route, const char *name)
{
    const struct exposition_label labels[] = {{"route", name}, {NULL, NULL}};
    uint64_t counts[METRICS_BOUNDS + 1];
    struct exposition_histogram histogram = {.bounds_ns = bounds_ns,
                                             .counts = counts,
                                             .bounds = METRICS_BOUNDS,
                                             .sum_ns = value_of(&route->sum_ns)};

    for (unsigned i = 0; i <= METRICS_BOUNDS; i++)
        counts[i] = value_of(&route->times[i]);
    exposition_histogram(out, DURATION, labels, &histogram);
}

void metrics_write(FILE *out, const struct metrics *metrics, const char *(*route_name)(unsigned route))
{
    static const struct exposition_label none[] = {{NULL, NULL}};
    const char *name;

    exposition_family(out, REQUESTS, "counter",
                      "Requests that are over, by route, method and HTTP status; 499: the client left before "
                      "the answer.");
    write_requests(out, &metrics->routes[0], "other");
    for (unsigned i = 1; (name = route_name(i)) != NULL; i++)
        write_requests(out, &metrics->routes[i], name);
    exposition_family(out, DURATION, "histogram",
                      "From a request's headers until its answer was sent or its client had left.");
    write_times(out, &metrics->routes[0], "other");
    for (unsigned i = 1; (name = route_name(i)) != NULL; i++)
        write_times(out, &metrics->routes[i], name);
    exposition_family(out, "tilery_bridge_request_body_bytes_total", "counter", "Of requests' bodies.");
    exposition_sample(out, "tilery_bridge_request_body_bytes_total", none,
                      value_of(&metrics->received_bytes));
    exposition_family(out, "tilery_bridge_response_body_bytes_total", "counter", "Of answers' bodies.");
    exposition_sample(out, "tilery_bridge_response_body_bytes_total", none, value_of(&metrics->sent_bytes));
}
