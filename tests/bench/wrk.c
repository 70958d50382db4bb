#include "wrk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "figures\t"

static _Noreturn void fail(const char *url, const char *what)
{
    fprintf(stderr, "wrk %s: %s\n", url, what);
    exit(1);
}

/* The numbers of a line, which http.lua wrote: the failures, and then the figures. */
static bool read_figures(const char *line, size_t count, double *failed, double *figures)
{
    char *end;

    *failed = strtod(line, &end);
    for (size_t i = 0; i < count; i++) {
        line = end;
        figures[i] = strtod(line, &end);
        if (end == line)
            return false;
    }
    return true;
}

void wrk_run(struct wrk_kind kind, const char *url, unsigned connections, unsigned ms, double *figures)
{
    unsigned threads = kind.thread_each || connections < 2 ? connections : 2;
    bool found = false;
    double failed = 0;
    char text[1024];
    FILE *wrk;

    (void)snprintf(text, sizeof text, "wrk -t%u -c%u -d%us --timeout 60s -s '%s' '%s' -- %s", threads,
                   connections, (ms + 999) / 1000, WRK_SCRIPT, url, kind.name);
    wrk = popen(text, "r");
    if (wrk == NULL)
        fail(url, "cannot be started");
    while (fgets(text, sizeof text, wrk) != NULL)
        if (strncmp(text, MARK, strlen(MARK)) == 0)
            found = read_figures(text + strlen(MARK), kind.figures, &failed, figures);
    if (pclose(wrk) != 0 || !found)
        fail(url, "is not installed, or gave no figures");
    if (failed != 0)
        fail(url, "requests failed");
}
