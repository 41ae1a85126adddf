/* SPDX-License-Identifier: MIT */
#include "base/child.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run(const char *command, int timeout_ms, char text[64], int *status)
{
    const char *const argv[] = { "sh", "-c", command, NULL };
    return cn_child_run(argv, timeout_ms, text, 64, status);
}

static void test_run(void **state)
{
    (void)state;
    char text[64], how[40];
    int status = -1;
    assert_int_equal(run("echo one; echo two >&2; exit 3", 5000, text, &status), 8);
    assert_string_equal(text, "one\ntwo\n");
    cn_child_describe(status, how, sizeof how);
    assert_string_equal(how, "exit 3");
    /* More than there is room for does not block it. */
    assert_int_equal(run("yes | head -c 300000", 5000, text, &status), 63);
    assert_int_equal(status, 0);
    assert_int_equal(run("kill -9 $$", 5000, text, &status), 0);
    cn_child_describe(status, how, sizeof how);
    assert_string_equal(how, "killed by signal 9");
    /* Its stdin is empty. */
    assert_int_equal(run("cat", 5000, text, &status), 0);
    const char *const absent[] = { "/nonexistent/program", NULL };
    assert_int_equal(cn_child_run(absent, 1000, text, sizeof text, &status), -ENOENT);
}

static void test_time_limit(void **state)
{
    (void)state;
    char text[64];
    int status;
    double start = seconds();
    assert_int_equal(run("sleep 60", 100, text, &status), -ETIMEDOUT);
    assert_int_equal(run("exec >&- 2>&-; sleep 60", 100, text, &status), -ETIMEDOUT);
    assert_true(seconds() - start < 10);
}

/* What it started is ended too, and what ignores SIGTERM. */
static void test_stop_ends_all(void **state)
{
    (void)state;
    const char *const argv[] = { "sh", "-c",
                                 "trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done",
                                 NULL };
    struct cn_child child;
    assert_int_equal(cn_child_start(&child, argv, false), 0);
    char text[32] = "";
    for (int i = 0; i < 500 && read(child.fd, text, sizeof text - 1) <= 0; i++)
        usleep(10000);
    pid_t grandchild = (pid_t)atoi(text);
    assert_true(grandchild > 1);
    int status;
    assert_false(cn_child_ended(&child, &status));
    status = cn_child_stop(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(child.fd, -1);
    /* An orphan is waited for by init, sooner or later; a zombie is dead too. */
    bool dead = false;
    for (int i = 0; i < 500 && !dead; i++) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
        FILE *f = fopen(path, "r");
        dead = !f || !fgets(line, sizeof line, f) || strstr(line, ") Z ") != NULL;
        if (f)
            fclose(f);
        usleep(dead ? 0 : 10000);
    }
    assert_true(dead);
    assert_int_equal(cn_child_stop(&child), -1); /* once more is nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_stop_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
