/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/command.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

/* Runs `work` in a process of its own, as it ends by a signal or changes how signals are handled.
 */
static int status_of(int (*work)(void))
{
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(work());
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int first_is_noticed(void)
{
    signal(SIGINT, SIG_DFL);
    cn_interrupt_install();
    if (cn_interrupted())
        return 1;
    raise(SIGINT);
    return cn_interrupted() ? 42 : 2;
}

/* The terminal is gone, or somebody asks the program to end: once each, and the second kills. */
static int hangup_is_noticed(void)
{
    cn_interrupt_install();
    raise(SIGHUP);
    return cn_interrupted() ? 42 : 2;
}

static int term_is_noticed(void)
{
    cn_interrupt_install();
    raise(SIGTERM);
    if (!cn_interrupted())
        return 2;
    raise(SIGTERM);
    return 0;
}

static int second_kills(void)
{
    first_is_noticed();
    raise(SIGINT);
    return 0;
}

static int ignored_stays_ignored(void)
{
    signal(SIGINT, SIG_IGN);
    cn_interrupt_install();
    raise(SIGINT);
    raise(SIGINT);
    return cn_interrupted() ? 1 : 42;
}

/* A command that waits for input must come back when it is interrupted. */
static int read_comes_back(void)
{
    int ends[2];
    char byte;
    signal(SIGINT, SIG_DFL);
    cn_interrupt_install();
    if (pipe(ends) != 0)
        return 1;
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        usleep(100 * 1000);
        kill(self, SIGINT);
        _exit(0);
    }
    alarm(20); /* instead of hanging for ever */
    ssize_t n = read(ends[0], &byte, 1);
    int why = errno;
    waitpid(child, NULL, 0);
    return n == -1 && why == EINTR && cn_interrupted() ? 42 : 2;
}

static void test_interrupt(void **state)
{
    (void)state;
    int status = status_of(first_is_noticed);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = status_of(hangup_is_noticed);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = status_of(term_is_noticed);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    status = status_of(second_kills);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    status = status_of(ignored_stays_ignored);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = status_of(read_comes_back);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_interrupt) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
