/* compute: a plain call, or a stream where its tiles are wanted as they come. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "gathered.h"
#include "progress.h"
#include "terminal.h"
#include "watch.h"

#define PIECE_BYTES 16384u

/* A stream sends the counts: for the sake of a bar, not more of them than this. */
#define PROGRESS_PIXELS (UINT64_C(32) << 20)

struct computing {
    const struct cli_options *options;
    tilery_stream *stream;
    uint64_t planned; /* tiles */
    struct gathered gathered;
    struct progress progress;
    struct watch *watch; /* NULL: nobody watches */
    struct waker waker;
    struct tilery_error error; /* why it failed */
};

static void write_all(struct format_writer *writer, FILE *file)
{
    char piece[PIECE_BYTES];
    size_t len;

    while ((len = format_next(writer, piece, sizeof piece)) != 0)
        if (fwrite(piece, 1, len, file) != len)
            return; /* which is seen when it is closed */
    if (writer->format == FORMAT_JSON)
        putc('\n', file);
}

/* To a person, where the answer itself does not say it. */
static void say_limited(const struct cli_options *options, enum format format,
                        const struct tilery_summary *summary)
{
    bool said = options->watch || options->json.summary || format == FORMAT_TABLE;

    if (summary->time_limited && !said && !options->quiet && terminal_is_there(&options->terminal))
        fprintf(stderr,
                "tilery: time limit of %" PRIu64 " ms reached: %" PRIu64 " of %" PRIu64 " tiles done\n",
                options->request.time_limit_ms, summary->tiles_done, summary->tiles_planned);
}

/* ---- A plain call ---- */

static int call(tilery_client *client, const struct cli_options *options, enum format format, FILE *file)
{
    struct format_writer writer;
    struct tilery_summary summary;
    struct tilery_error error;
    tilery_result *result;

    if (call_compute(client, options, &options->request, &result, &error) != TILERY_OK)
        return cli_fail(options, &error);
    format_init(&writer, format, &options->request, result, &options->json);
    write_all(&writer, file);
    summary = tilery_result_summary(result);
    say_limited(options, format, &summary);
    tilery_result_free(result);
    return 0;
}

/* ---- A stream ---- */

static void show(struct computing *computing)
{
    if (computing->watch != NULL)
        watch_show(computing->watch, &computing->gathered.tiles, computing->planned);
    else
        progress_show(&computing->progress, computing->gathered.tiles.count, computing->planned);
}

/* Until there is something to read; false: a signal that ends it has come. */
static bool wait(struct computing *computing)
{
    bool told = !tilery_stream_notify(computing->stream, waker_tell, &computing->waker);

    while (!told) {
        watch_take(computing->watch, waker_wait(&computing->waker, computing->options, PROGRESS_MS, &told));
        if (*computing->options->ended != 0)
            return false;
        show(computing);
    }
    return true;
}

/* False: it failed, or was ended by a signal. */
static bool read_tiles(struct computing *computing)
{
    const struct tilery_tile *tile;
    bool ready;

    for (;;) {
        if (tilery_stream_try_next(computing->stream, &ready, &tile, &computing->error) != TILERY_OK)
            return false;
        if (tile == NULL && ready)
            return true;
        if (tile == NULL && !wait(computing))
            return false;
        if (tile == NULL)
            continue;
        gathered_keep(&computing->gathered, tile);
        show(computing);
    }
}

/* The picture, or the bar, is there meanwhile. */
static int read_shown(struct computing *computing)
{
    bool read;

    progress_begin(&computing->progress, computing->options, "tiles");
    read = read_tiles(computing);
    progress_end(&computing->progress);
    watch_end(computing->watch, read ? &computing->gathered.tiles : NULL);
    return read ? 0 : cli_fail(computing->options, &computing->error);
}

static int fail_memory(const struct cli_options *options)
{
    const struct tilery_error error = {.status = TILERY_RESOURCE_EXHAUSTED,
                                       .message = "no memory or descriptors for the tiles"};

    return cli_fail(options, &error);
}

/* What was kept for drawing alone is not written. */
static void drop_counts(struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->tiles.count; i++)
        gathered->tile[i].counts = NULL;
}

/* No time of these can be compared with one of the others. */
static void say_anew(const struct cli_options *options, const struct format_tiles *tiles)
{
    size_t anew = 0;

    while (anew < tiles->count && tiles->tiles[tiles->count - 1 - anew].attempt != 0)
        anew++;
    if (anew != 0 && !options->quiet)
        fprintf(
            stderr,
            "tilery: warning: a server was lost: the times of the last %zu of %zu tiles are since another "
            "began\n",
            anew, tiles->count);
}

static int read_and_write(struct computing *computing, enum format format, FILE *file)
{
    const struct cli_options *options = computing->options;
    struct gathered *gathered = &computing->gathered;
    struct format_writer writer;
    int status;

    computing->planned = tilery_stream_tiles_planned(computing->stream);
    if (!gathered_begin(gathered, &options->request, computing->stream, options->data || options->watch) ||
        (options->watch && (computing->watch = watch_begin(options)) == NULL))
        return fail_memory(options);
    if ((status = read_shown(computing)) != 0)
        return status;
    if (!gathered_finish(gathered, computing->stream))
        return fail_memory(options);
    say_anew(options, &gathered->tiles);
    if (!options->data)
        drop_counts(gathered);
    if (file != NULL) {
        format_init_tiles(&writer, format, &options->request, &gathered->tiles, &options->json);
        write_all(&writer, file);
    }
    say_limited(options, format, &gathered->tiles.summary);
    return 0;
}

static int stream(tilery_client *client, const struct cli_options *options, enum format format, FILE *file)
{
    struct computing computing = {.options = options};
    struct tilery_error error;
    int status;

    if (!waker_open(&computing.waker))
        return fail_memory(options);
    if (call_stream_open(client, options, &computing.stream, &error) != TILERY_OK)
        status = cli_fail(options, &error);
    else
        status = read_and_write(&computing, format, file);
    tilery_stream_close(computing.stream);
    gathered_free(&computing.gathered);
    waker_close(&computing.waker);
    return status;
}

static bool is_streamed(const struct cli_options *options)
{
    uint64_t pixels = options->request.width * options->request.height;

    return options->data || options->watch || (progress_is_wanted(options) && pixels <= PROGRESS_PIXELS);
}

/* What it is watched for is seen: it is written too where somebody else is to read it. */
static bool is_written(const struct cli_options *options)
{
    return !options->watch || options->format != NULL || !cli_is_for_terminal(options);
}

/* Finds the format, which is to have a place for all that is asked for: 0 or the exit status. */
static int check_format(const struct cli_options *options, enum format *format)
{
    if (options->format == NULL)
        return 0;
    if (!format_find(options->format, format))
        return cli_refuse("--format", options->format, "json, ndjson, csv, table or trace");
    if (options->data && (*format == FORMAT_TABLE || *format == FORMAT_TRACE))
        return cli_refuse("--format", options->format, "json, ndjson or csv with --data");
    if (options->json.summary && (*format == FORMAT_CSV || *format == FORMAT_TRACE))
        return cli_refuse("--format", options->format, "json, ndjson or table with --summary");
    if (options->json.ns && *format == FORMAT_TABLE)
        return cli_refuse("--format", options->format, "json, ndjson, csv or trace with --ns");
    return 0;
}

int cli_compute(tilery_client *client, const struct cli_options *options)
{
    enum format format = FORMAT_JSON;
    struct cli_output output;
    int status = check_format(options, &format);

    if (status != 0 || (options->watch && (status = watch_check(options)) != 0))
        return status;
    if ((status = cli_output_open(&output, options)) != 0)
        return status;
    if (is_streamed(options))
        status = stream(client, options, format, is_written(options) ? output.file : NULL);
    else
        status = call(client, options, format, output.file);
    return cli_output_close(&output, status);
}
