#ifndef TILERY_TESTS_BENCH_WRK_H
#define TILERY_TESTS_BENCH_WRK_H

#include <stdbool.h>
#include <stddef.h>

/* What a run of wrk is for, as http.lua has it, and how many figures it gives. */
struct wrk_kind {
    const char *name;
    size_t figures;
    bool thread_each; /* as many threads as connections; otherwise two at most */
};

#define WRK_SIZE ((struct wrk_kind){"size", 1, false})
#define WRK_TIMES ((struct wrk_kind){"times", 3, false})  /* p50 and p99 in us, answers a second */
#define WRK_PARTED ((struct wrk_kind){"parted", 6, true}) /* the same of 200, and of 429 */
#define WRK_PAUSED ((struct wrk_kind){"paused", 6, true}) /* who got 429 asks again 10 ms later */

/* Runs wrk for ms, rounded up to whole seconds, over so many connections that ask again as soon as they have
 * their answer, or as the kind says. Ends the process, saying why, where wrk is not installed or a request
 * failed. */
void wrk_run(struct wrk_kind kind, const char *url, unsigned connections, unsigned ms, double *figures);

#endif
