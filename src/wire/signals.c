#include "wire/signals.h"

#include <unistd.h>

#define WATCHDOG_S 20

void signals_to_end(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
}

static void leave(int signal)
{
    _exit(128 + signal);
}

/* A handler, since the kernel spares process 1 the default action. */
void signals_leave_on_next(void)
{
    struct sigaction action = {.sa_handler = leave};
    sigset_t signals;

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    signals_to_end(&signals);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

void signals_start_watchdog(void)
{
    alarm(WATCHDOG_S);
}
