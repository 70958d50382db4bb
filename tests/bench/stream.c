#include "stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/clock.h"
#include "sample.h"
#include "tilery/client.h"

#define SIDE 4096
#define MAX_ITER 1000

static void check(enum tilery_status status, const struct tilery_error *error)
{
    if (status == TILERY_OK)
        return;
    fprintf(stderr, "%s: %s\n", tilery_status_name(status), error->message);
    exit(1);
}

static struct tilery_compute_request image(void)
{
    struct tilery_compute_request request;

    tilery_compute_request_init(&request);
    request.width = request.height = SIDE;
    request.max_iter = MAX_ITER;
    request.num_threads = 2;
    request.schedule = TILERY_SCHEDULE_DYNAMIC;
    request.time_limit_ms = 600000;
    return request;
}

static double ms_since(uint64_t begin_ns)
{
    return (double)(clock_now_ns() - begin_ns) / 1e6;
}

static double time_records(tilery_client *client)
{
    const struct tilery_compute_request request = image();
    uint64_t begin = clock_now_ns();
    struct tilery_error error;
    tilery_result *result;
    double ms;

    check(tilery_compute(client, &request, NULL, &result, &error), &error);
    ms = ms_since(begin);
    tilery_result_free(result);
    return ms;
}

static double time_stream(tilery_client *client)
{
    const struct tilery_compute_request request = image();
    uint64_t begin = clock_now_ns(), pixels = 0;
    const struct tilery_tile *tile;
    struct tilery_error error;
    tilery_stream *stream;
    double ms;

    check(tilery_stream_open(client, &request, NULL, &stream, &error), &error);
    do {
        check(tilery_stream_next(stream, &tile, &error), &error);
        pixels += tile != NULL ? (uint64_t)tile->columns * tile->rows : 0;
    } while (tile != NULL);
    ms = ms_since(begin);
    tilery_stream_close(stream);
    if (pixels != (uint64_t)SIDE * SIDE) {
        fputs("the stream was not whole\n", stderr);
        exit(1);
    }
    return ms;
}

/* What the server has sent so far. */
static double sent_mb(tilery_client *client)
{
    struct tilery_error error;
    struct tilery_stats *stats;
    double mb;

    check(tilery_stats(client, NULL, &stats, &error), &error);
    mb = 1e-6 * (double)stats->bytes_sent;
    tilery_stats_free(stats);
    return mb;
}

/* An image each way in turn, neither always first, for so long: the times add up. */
static void time_both(tilery_client *client, unsigned for_ms, double *records_ms, double *stream_ms)
{
    unsigned images = 0;

    *records_ms = *stream_ms = 0;
    do {
        for (unsigned i = 0; i < 2; i++)
            if ((images + i) % 2 == 0)
                *records_ms += time_records(client);
            else
                *stream_ms += time_stream(client);
        images++;
    } while (*records_ms + *stream_ms < 2.0 * for_ms);
    *records_ms /= images;
    *stream_ms /= images;
}

void stream_bench(const char *url, const char *where, const struct settings *settings, json_t *out)
{
    const struct tilery_client_options options = {.server = url};
    struct sample records = {.count = 0}, streams = {.count = 0}, ratios = {.count = 0};
    double records_ms, stream_ms, ratio, mb;
    struct tilery_error error;
    tilery_client *client;

    check(tilery_client_open(&options, &client, &error), &error);
    (void)time_records(client); /* warms the threads */
    mb = sent_mb(client);
    (void)time_stream(client);
    mb = sent_mb(client) - mb;
    for (unsigned run = 0; run < settings->runs; run++) {
        time_both(client, settings->ms, &records_ms, &stream_ms);
        sample_add(&records, records_ms);
        sample_add(&streams, stream_ms);
        sample_add(&ratios, records_ms / stream_ms);
    }
    tilery_client_close(client);
    records_ms = sample_percentile(&records, 0.5);
    stream_ms = sample_percentile(&streams, 0.5);
    ratio = sample_percentile(&ratios, 0.5);
    printf("%-8s records alone %8.1f ms, streamed %8.1f ms (%.0f MB/s of counts; %.1f MB of %.1f are sent): "
           "speed ratio %.3f, %.3f .. %.3f\n",
           where, records_ms, stream_ms, 2e-3 * SIDE * SIDE / stream_ms, mb, 2e-6 * SIDE * SIDE, ratio,
           sample_percentile(&ratios, 0), sample_percentile(&ratios, 1));
    json_array_append_new(out, json_pack("{s:s, s:f, s:f, s:f, s:f}", "where", where, "records_ms",
                                         records_ms, "stream_ms", stream_ms, "sent_mb", mb, "ratio", ratio));
    sample_free(&records);
    sample_free(&streams);
    sample_free(&ratios);
}
