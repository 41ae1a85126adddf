/* SPDX-License-Identifier: MIT
 *
 * The result on stdout: whether it got there, and who says so.
 */
#include "base/table.h"
#include "cli/cli.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

int cn_result_table(const struct cn_table *table, enum cn_table_format format)
{
    errno = 0;
    if (table && cn_table_print(table, format, stdout))
        return CN_EXIT_OK;
    return cn_result_lost() ? CN_EXIT_FAILED : cn_die("out of memory");
}

int cn_result_end(int code)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || cn_result_lost();
    int reason = result.reason ? result.reason : pipe_broke ? EPIPE : errno;
    if (close(STDOUT_FILENO) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    if (!failed)
        return code;
    result.ended = true;
    if (reason != EPIPE) /* who closed the pipe knows */
        cn_die("cannot write the result to stdout: %s",
               reason ? strerror(reason) : "an earlier write failed");
    return code == CN_EXIT_OK ? CN_EXIT_FAILED : code;
}
