/* SPDX-License-Identifier: MIT
 *
 * Whether the result got to stdout.
 */
#include "cli/cli.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t pipe_broke;
static struct {
    bool lost;
    bool ended; /* main is about to say so */
    int reason; /* errno; 0: not known */
} result;

/* Writing to a pipe that nobody reads, or beyond the limit on the size of a file, is an error to
 * report, not a reason to die half-way through a file. A handler rather than SIG_IGN: programs
 * started from here get the default back. */
static void on_failed_write(int sig)
{
    pipe_broke |= sig == SIGPIPE;
}

void cn_result_install(void)
{
    struct sigaction action = { .sa_handler = on_failed_write, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

bool cn_result_lost(void)
{
    const int reason = errno;
    if (!result.lost && ferror(stdout)) {
        result.lost = true;
        result.reason = pipe_broke ? EPIPE : reason;
    }
    errno = reason;
    return result.lost && !result.ended;
}

int cn_result_reason(int otherwise)
{
    return result.reason ? result.reason : pipe_broke ? EPIPE : otherwise;
}

void cn_result_told(void)
{
    result.ended = true;
}
