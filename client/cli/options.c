/* The commands, their options, and which option is for which. */
#include "options.h"

#include <string.h>

const struct command cli_commands[] = {
    {"compute", cli_compute, FOR_COMPUTE, NONE, "compute", "run a computation; print the documented JSON",
     "Where its tiles come as a stream, for --data, --watch or the bar, the server gives up a run whose "
     "reader is "
     "stopped (ctrl-Z) for more than 10 s: NOT_FOUND then. Where a server is lost and another one computes "
     "the rest, the records have an attempt, 0 or higher, by whose clock their times are, and a trace has a "
     "process for each; what else is told is of the last."},
    {"render", cli_render, FOR_RENDER, NONE, "render", "write the image",
     "raw, the default, is the escape counts, row by row, as little-endian uint16. pgm has the same counts "
     "as 16-bit grey, "
     "the most significant byte first; white is max_iter, or 256 where that is more: exact, but dark to look "
     "at, as "
     "most counts are small. png, in a palette's colours, is for the eye. The image comes and is written in "
     "bands of about 8 MiB, but of whole rows of tiles: the memory taken grows with --tile-h, not with the "
     "height."},
    {"compare", cli_compare, FOR_COMPARE, NONE, "compare", "measure schedules, kernels and threads",
     "Every combination is run once to warm up and then --runs times, in turn; its wall time is the median. "
     "Speedup is against the first combination of one thread, or the first of all where none has one (in "
     "json: baseline, by its index); efficiency is what part of the threads asked for was worth it, against "
     "the fewest threads of the same kernel; imbalance is the busiest thread's time over the mean of all "
     "that the schedule uses, 1 at best. csv and json have times in ns, json those of every run."},
    {"bench", cli_bench, FOR_BENCH, NONE, "bench", "put load on the server; tell latency and throughput",
     "Latency is of the calls that were to be sent in the measured time, in json in ns. Failed calls are "
     "counted by code (errors) and not in it. What had no answer when the load was ended (unanswered), or "
     "was never sent, as it was held up by those before (unsent), counts with the time that it had waited. "
     "The exit status is 0 where any call went well."},
    {"cancel", cli_cancel, FOR_OTHERS, MUST, "cancel ID", "end the run of that request_id", NULL},
    {"health", cli_health, FOR_OTHERS, MAY, "health [SERVICE]",
     "say whether the server, a service, or a bridge serves",
     "A bridge is asked where --server is its address, as in http://127.0.0.1:8405. SERVICE is "
     "tilery.v1.TileCompute, tilery.v1.Health or tilery.v1.Server."},
    {"info", cli_info, FOR_OTHERS, NONE, "info", "say what the server can do", NULL},
    {"stats", cli_stats, FOR_OTHERS, NONE, "stats", "say what the server has done and does",
     "At a terminal it is a table, else a line of a name and its value for each number. METHOD.calls.CODE is "
     "how many calls ended with that code; METHOD.total_ns are their times, from arrival to reply, queue_ns "
     "how long runs waited for threads, and run_ns how long they worked. Times are counted in classes, whose "
     "upper bounds are 10, 20 and 50 us, 100, and so on to 100 s: p50, p90 and p99 are the bound that so "
     "many percent of the times are not above, max is that of all, and inf is above 100 s. count and sum, in "
     "ns, are exact. Of several servers, one is asked."},
    {"describe", cli_describe, FOR_DESCRIBE, MAY, "describe [NAME]", "tell its schema, or one part of it",
     "NAME is a message's, an enum's, a service's, a method's or a file's, as in ComputeRequest, "
     "tilery.v1.Health, TileCompute/Compute or compute.proto; of a method its two messages are told, too. "
     "binary is all of the schema as a FileDescriptorSet, for protoc --descriptor_set_in, and what is "
     "written anywhere but to a terminal where neither NAME nor --format is given."},
    {0}};

const struct command *command_find(const char *name)
{
    for (const struct command *command = cli_commands; command->name != NULL; command++)
        if (strcmp(name, command->name) == 0)
            return command;
    return NULL;
}

/* The options that are fields of the request: --tile-w sets tile_w. */
const char *option_field(int key)
{
    static const char *const fields[] = {"width",      "height",        "tile_w",   "tile_h",
                                         "max_iter",   "time_limit_ms", "mode",     "region",
                                         "first_task", "task_count",    "schedule", "num_threads"};

    return fields[key - OPT_WIDTH];
}

/* A text has a part a line; those that begin with a command's name are told of that command alone. */
const struct argp_option cli_argp_options[] = {
    {"server", 's', "URL[,URL...]", 0, "The servers' addresses (default " DEFAULT_SERVER ")", 0},
    {"timeout", OPT_TIMEOUT, "TIME", 0,
     "Give up after this time, 1ms to 24h, as in 500ms, 2s or 1m; connecting and waiting for threads count "
     "(default 11m)\n"
     "compute: none where tiles are streamed, as for --watch\n"
     "render: instead none, and the whole image is to be there by then\n"
     "compare: it is each run's\n"
     "bench: instead 10s, and it is each call's\n"
     "health: of a bridge 5s",
     0},
    {"timeout-ms", OPT_TIMEOUT_MS, "MS", 0, "The same in milliseconds, 1 to 86400000", 0},
    {"wait", OPT_WAIT, NULL, 0, "Where no server is there, wait for one, as long as the timeout allows", 0},
    {"max-attempts", OPT_MAX_ATTEMPTS, "N", 0,
     "Where servers are lost or busy, try a call so often, 1 to 100 (default 5); with 1 there are no "
     "retries, "
     "and a stream's rest is computed nowhere else",
     0},
    {"request-id", OPT_REQUEST_ID, "ID", 0,
     "Name the request, for logs and cancelling (default: random)\n"
     "render: its streams are called ID/..., of which ID may have 51 characters",
     0},
    {"traceparent", OPT_TRACEPARENT, "TEXT", 0, "A W3C trace context for the server's log", 0},
    {"tls-ca", OPT_TLS_CA, "FILE", 0, "For tls+tcp://: the CA that verifies the server, PEM", 0},
    {"tls-cert", OPT_TLS_CERT, "FILE", 0, "The client's own certificate, PEM", 0},
    {"tls-key", OPT_TLS_KEY, "FILE", 0, "Its private key, PEM", 0},
    {"tls-server-name", OPT_TLS_NAME, "NAME", 0,
     "The DNS name in the server's certificate (default: the URL's host)", 0},
    {"token-file", OPT_TOKEN_FILE, "FILE", 0, "The token that the server wants is the file's first line", 0},
    {"quiet", 'q', NULL, 0, "Nothing on stderr but errors", 0},
    {"verbose", 'v', NULL, 0, "Say on stderr which server was asked, how often, and how long it took", 0},
    {"full-help", OPT_FULL_HELP, NULL, 0, "Tell of the options of all commands", -1},
    {0, 0, 0, 0, "What is computed:", 1},
    {"width", OPT_WIDTH, "PIXELS", 0, "1 to 65536 (default 800)", 0},
    {"height", OPT_HEIGHT, "PIXELS", 0, "1 to 65536 (default 600)", 0},
    {"tile-w", OPT_TILE_W, "PIXELS", 0, "1 to 65536 (default 64)", 0},
    {"tile-h", OPT_TILE_H, "PIXELS", 0, "1 to 65536 (default 64)", 0},
    {"max-iter", OPT_MAX_ITER, "N", 0, "1 to 65535 (default 256)", 0},
    {"time-limit-ms", OPT_TIME_LIMIT, "MS", 0,
     "0 to 600000, looked at before each tile\n"
     "compute: default 2000\nrender: default: none\ncompare: default: none\nbench: default 2000",
     0},
    {"num-threads", OPT_NUM_THREADS, "N", 0, "1 to 256 (default 4)\ncompare: several, commas between", 0},
    {"first-task", OPT_FIRST_TASK, "ID", 0, "The first of a range of tasks (default 0)", 0},
    {"task-count", OPT_TASK_COUNT, "N", 0, "How many tasks (default: to the last)", 0},
    {"mode", OPT_MODE, "MODE", 0,
     "concurrent (default) or sequential: one thread, tasks in order, whatever num_threads and schedule are",
     0},
    {"schedule", OPT_SCHEDULE, "NAME", 0,
     "static (default), cyclic, dynamic, guided or stealing\ncompare: several, commas between", 0},
    {"region", OPT_REGION, "RE,IM,W,H", 0,
     "Part of the plane: re_min,im_min,re_span,im_span (default -2.5,-1,3.5,2)", 0},
    {"kernel", OPT_KERNEL, "NAME", 0,
     "auto (default) or one that `tilery info` lists\ncompare: several, commas between", 0},
    {0, 0, 0, 0, "How it is measured:", 2},
    {"runs", OPT_RUNS, "N", 0,
     "compare: runs of each combination, 1 to 10000 (default 5), after one to warm up", 0},
    {"clients", OPT_CLIENTS, "N", 0,
     "bench: calls in flight, 1 to 10000 (default 16), each client calling again as soon as it has its "
     "answer; at a fixed rate the most at once (default 1024)",
     0},
    {"rate", OPT_RATE, "N", 0,
     "bench: calls a second, 1 to 1000000, sent at their times whatever becomes of those before. Latency is "
     "counted from when a call was to be sent, so that calls held up by slow ones count as slow (coordinated "
     "omission: Gil Tene, wrk2)",
     0},
    {"duration", OPT_DURATION, "TIME", 0,
     "bench: how long is measured, 1ms to 24h (default 10s); ctrl-C ends it", 0},
    {"warm-up", OPT_WARM_UP, "TIME", 0,
     "bench: load before that which does not count, 0ms to 24h (default 1s)", 0},
    {0, 0, 0, 0, "How it is written:", 3},
    {"format", OPT_FORMAT, "FORMAT", 0,
     "compute: json (default, as documented), ndjson, csv, table, trace (for Perfetto)\n"
     "render: png, pgm or raw (default: escape counts, row by row, little-endian uint16)\n"
     "compare: table (default at a terminal), csv, json (default in a pipe)\n"
     "bench: table (default at a terminal), json (default in a pipe)\n"
     "describe: proto (default at a terminal, and with NAME), binary (else)",
     0},
    {"palette", OPT_PALETTE, "NAME", 0,
     "viridis (default), magma, grey, or thread\ncompute: of what is watched\nrender: of a png", 0},
    {"output", 'o', "FILE", 0, "Where it is written (default: -, stdout); a file appears when it is whole",
     0},
    {"summary", OPT_SUMMARY, NULL, 0,
     "compute: in json and ndjson: what the run came to, in the end; table has it anyway", 0},
    {"data", OPT_DATA, NULL, 0,
     "compute: in json, ndjson and csv: each tile's columns, rows and data, the escape counts as "
     "little-endian uint16, row by row, in base64",
     0},
    {"watch", OPT_WATCH, NULL, 0,
     "compute: draw the tiles in the terminal as they come, in the palette's colours, and a lane for each "
     "thread",
     0},
    {"ns", OPT_NS, NULL, 0,
     "compute: in json: times in nanoseconds beside the milliseconds, as ndjson, csv and trace have them "
     "anyway",
     0},
    {0},
};

unsigned option_commands(int key)
{
    switch (key) {
    case OPT_FIRST_TASK:
    case OPT_TASK_COUNT:
        return FOR_WORK & ~(unsigned)FOR_RENDER;
    case OPT_MODE:
        return FOR_WORK & ~(unsigned)FOR_COMPARE;
    case OPT_KERNEL:
        return FOR_WORK;
    case OPT_MAX_ATTEMPTS: /* bench shows what is refused, and nothing else is tried again */
        return FOR_WORK & ~(unsigned)FOR_BENCH;
    case OPT_REQUEST_ID: /* is one call's */
        return FOR_ALL & ~(unsigned)(FOR_COMPARE | FOR_BENCH);
    case OPT_FORMAT:
    case 'o':
        return FOR_WORK | FOR_DESCRIBE;
    case OPT_PALETTE:
        return FOR_COMPUTE | FOR_RENDER;
    case OPT_SUMMARY:
    case OPT_NS:
    case OPT_DATA:
    case OPT_WATCH:
        return FOR_COMPUTE;
    case OPT_RUNS:
        return FOR_COMPARE;
    case OPT_CLIENTS:
    case OPT_DURATION:
    case OPT_RATE:
    case OPT_WARM_UP:
        return FOR_BENCH;
    default:
        return key >= OPT_WIDTH && key < OPT_FIELDS_END ? FOR_WORK : FOR_ALL;
    }
}

const char *option_name(int key)
{
    const struct argp_option *option = cli_argp_options;

    while (option->key != key)
        option++;
    return option->name;
}
