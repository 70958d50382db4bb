#include "terminal.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is_there(const struct cli_terminal *terminal)
{
    return isatty(STDERR_FILENO) && terminal->term[0] != '\0' && strcmp(terminal->term, "dumb") != 0;
}

enum depth terminal_depth(const struct cli_terminal *terminal)
{
    static const char *const plain[] = {"", "dumb", "linux", "vt100", "vt220"};

    if (terminal->no_color)
        return DEPTH_NONE;
    if (strcmp(terminal->colorterm, "truecolor") == 0 || strcmp(terminal->colorterm, "24bit") == 0 ||
        strstr(terminal->term, "-direct") != NULL)
        return DEPTH_24_BIT;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(terminal->term, plain[i]) == 0)
            return DEPTH_NONE;
    return DEPTH_256;
}

void terminal_size(unsigned *columns, unsigned *lines)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 && size.ws_row != 0;

    *columns = known ? size.ws_col : 80;
    *lines = known ? size.ws_row : 24;
}

/* Of the whole program, as its terminal is, and for a signal's handler. */
static const char *_Atomic gives_back;

void terminal_put(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t done = write(STDERR_FILENO, text, len);

        if (done <= 0)
            return;
        text += done;
        len -= (size_t)done;
    }
}

void terminal_take(const char *take, const char *give_back)
{
    gives_back = give_back;
    terminal_put(take, strlen(take));
}

/* A signal in between has it written twice, which is better than never. */
void terminal_give_back(void)
{
    const char *text = gives_back;

    if (text != NULL)
        terminal_put(text, strlen(text));
    gives_back = NULL;
}

int signal_next(const struct cli_options *options)
{
    unsigned char number;

    return options->signals >= 0 && read(options->signals, &number, 1) == 1 ? number : 0;
}

bool waker_open(struct waker *waker)
{
    waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return waker->fd >= 0;
}

void waker_tell(void *waker)
{
    (void)!write(((const struct waker *)waker)->fd, &(uint64_t){1}, sizeof(uint64_t));
}

void waker_close(struct waker *waker)
{
    if (waker->fd >= 0)
        close(waker->fd);
}

int waker_wait(struct waker *waker, const struct cli_options *options, int ms, bool *told)
{
    struct pollfd fds[] = {{.fd = waker->fd, .events = POLLIN}, {.fd = options->signals, .events = POLLIN}};
    uint64_t count;

    *told = false;
    if (poll(fds, 2, ms) <= 0)
        return 0;
    *told = fds[0].revents != 0 && read(waker->fd, &count, sizeof count) == sizeof count;
    return fds[1].revents != 0 ? signal_next(options) : 0;
}
