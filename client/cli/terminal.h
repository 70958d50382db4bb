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

/* What a reader that must not wait waits with: tell, on any thread, ends a wait. */
struct waker {
    int fd;
};

bool waker_open(struct waker *waker); /* false: no descriptors are left; ends with waker_close */
void waker_tell(void *waker);
void waker_close(struct waker *waker);

/* Until it is told, which *told says, the time is over, or a signal of the options' has come: its number,
 * else 0. */
int waker_wait(struct waker *waker, const struct cli_options *options, int ms, bool *told);

#endif
