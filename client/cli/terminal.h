#ifndef TILERY_CLI_TERMINAL_H
#define TILERY_CLI_TERMINAL_H

#include "cli.h"

/* How much the terminal behind stderr can show. */
enum depth { DEPTH_NONE, DEPTH_256, DEPTH_24_BIT };

/* Whether stderr is a terminal that can be drawn on. */
bool terminal_is_there(const struct cli_terminal *terminal);

enum depth terminal_depth(const struct cli_terminal *terminal);

/* Its columns and lines; 80 and 24 where it does not say. */
void terminal_size(unsigned *columns, unsigned *lines);

/*
 * Takes the terminal behind stderr for drawing: writes the one text, and the other, a constant, when it is
 * given back. That may be done at any time, also from a signal's handler, and again.
 */
void terminal_take(const char *take, const char *give_back);
void terminal_give_back(void);

/* All of it, unless the terminal is gone. */
void terminal_put(const char *text, size_t len);

/* The next signal that main's handlers told of; 0: there is none. */
int signal_next(const struct cli_options *options);

/* What a reader that must not wait waits with: tell, on any thread, ends a wait. */
struct waker {
    int fd;
};

bool waker_open(struct waker *waker); /* false: no descriptors are left; ends with waker_close */
void waker_tell(void *waker);
void waker_close(struct waker *waker);

/* Until it is told, which *told says, the time is over, -1 for never, or a signal of the options' has come:
 * its number, else 0. */
int waker_wait(struct waker *waker, const struct cli_options *options, int ms, bool *told);

#endif
