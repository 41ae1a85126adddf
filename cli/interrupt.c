/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/command.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

void cn_interrupt_install(void)
{
    /* Ctrl-C, the terminal gone, and the polite way to end a program from outside. */
    static const int signals[] = { SIGINT, SIGHUP, SIGTERM };
    struct sigaction old, action = { .sa_handler = on_interrupt };
    /* Reset: the second one kills. No SA_RESTART: a read that waits for input must come back. */
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

bool cn_interrupted(void)
{
    return interrupted;
}

void cn_interrupt_clear(void)
{
    interrupted = 0;
    cn_interrupt_install();
}
