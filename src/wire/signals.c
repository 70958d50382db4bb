#include "wire/signals.h"

#include <unistd.h>

#define WATCHDOG_S 20

void signals_to_end(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
}

void signals_add_hangup(sigset_t *signals, bool means_reload)
{
    struct sigaction now;

    if (means_reload || sigaction(SIGHUP, NULL, &now) != 0 || now.sa_handler != SIG_IGN)
        sigaddset(signals, SIGHUP);
}

int signals_wait(const sigset_t *signals)
{
    static const struct timespec now = {0};
    sigset_t ends = *signals;
    int signal;

    sigdelset(&ends, SIGHUP);
    do {
        signal = sigtimedwait(&ends, NULL, &now);
        if (signal < 0)
            signal = sigwaitinfo(signals, NULL);
    } while (signal < 0); /* EINTR */
    return signal;
}

static void leave(int signal)
{
    _exit(128 + signal);
}

/* SIGUSR2 ends it, whose number is below SIGTERM's: a SIGTERM that has come as well stays. */
static void *watch_start(void *arg)
{
    sigset_t signals;
    int signal;

    (void)arg;
    signals_to_end(&signals);
    sigaddset(&signals, SIGUSR2);
    if (sigwait(&signals, &signal) == 0 && signal != SIGUSR2)
        leave(signal);
    return NULL;
}

void signals_start_begin(struct signals_start *start)
{
    sigset_t end, before;

    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&end);
    sigaddset(&end, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &end, &before);
    start->watched = pthread_create(&start->thread, NULL, watch_start, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void signals_start_end(struct signals_start *start)
{
    if (!start->watched)
        return;
    pthread_kill(start->thread, SIGUSR2);
    pthread_join(start->thread, NULL);
    start->watched = false;
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
