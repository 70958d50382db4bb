#ifndef TILERY_TESTS_BENCH_BARE_H
#define TILERY_TESTS_BENCH_BARE_H

/* libmicrohttpd, with as many threads as the bridge has, and nothing behind it: it answers every GET at once
 * with so many bytes. Serves until the process is killed. */
_Noreturn void bare_serve(unsigned bytes);

#endif
