#ifndef TILERY_CLI_WATCH_H
#define TILERY_CLI_WATCH_H

#include "cli.h"

/*
 * A computation as it happens, drawn on the terminal behind stderr: its picture, and beneath a lane for each
 * thread, which tells when it was busy. Drawn on the terminal's other screen; in the end the whole picture
 * stays on the usual one.
 */
struct watch;

/* 0, or the exit status where there is no terminal or no such palette, which is said on stderr. */
int watch_check(const struct cli_options *options);

/* NULL: no memory. Ends with watch_end. */
struct watch *watch_begin(const struct cli_options *options);

/* The tiles that have come by now, with their counts, in the order that they came in. Draws when it is time
 * to. */
void watch_show(struct watch *watch, const struct format_tiles *tiles, uint64_t planned);

/* Deals with a signal that does not end the program; 0 is none. watch may be NULL: nothing is drawn as yet.
 */
void watch_take(struct watch *watch, int signal);

/* Gives the terminal back, with the picture of the tiles where there are any. NULL is fine. */
void watch_end(struct watch *watch, const struct format_tiles *tiles);

#endif
