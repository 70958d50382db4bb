/*
 * The documented request through Tilery against the same engine, pool and messages behind gRPC C++. Servers
 * are processes of their own, and a client is a thread with a connection of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <nng/nng.h>

#include "called.h"
#include "child.h"
#include "duel.h"
#include "grpc_sides.h"
#include "settings.h"

static _Noreturn void serve(void)
{
    char bound[64];

    if (!rival_serve(bound, sizeof bound)) {
        fputs("gRPC does not serve\n", stderr);
        exit(1);
    }
    child_serve(bound);
}

int main(int argc, char **argv)
{
    const char *const server[] = {"/proc/self/exe", "--serve=grpc", NULL};
    struct child tileryd, grpc;
    struct target ours, theirs;
    struct settings settings;
    json_t *out;
    bool written;

    settings_parse_calls(&settings, "Measures the documented request through Tilery and through gRPC C++.",
                         argc, argv);
    if (settings.serve != NULL)
        serve();
    called_start(&tileryd);
    child_start(&grpc, server);
    ours = called_compute(tileryd.url);
    theirs = (struct target){
        .name = "gRPC", .url = grpc.url, .open = rival_open, .call = rival_call, .close = rival_close};
    printf(
        "96 x 96 in 32 x 32 tiles, max_iter 128, two threads: Tilery over nng %s against gRPC %s, callback "
        "service, its own threads, a channel with its own subchannel pool a client; %ld processors; medians "
        "of %u runs of %u ms\n",
        nng_version(), rival_version(), sysconf(_SC_NPROCESSORS_ONLN), settings.runs, settings.ms);
    out = json_pack("{s:[], s:[]}", "calls", "ratios");
    duel(&ours, &theirs, "tcp", &settings, out);
    printf("threads of the servers: tileryd %u, gRPC %u\n", child_threads(tileryd.pid),
           child_threads(grpc.pid));
    child_stop(&grpc);
    child_stop(&tileryd);
    written = duel_write(&settings, out);
    json_decref(out);
    return written ? 0 : 1;
}
