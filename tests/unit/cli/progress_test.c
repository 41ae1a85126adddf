/* SPDX-License-Identifier: MIT
 *
 * Progress and messages on a terminal: a pseudo-terminal stands in for it.
 */
#include "cli/cli.h"
#include "cli/command.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

static int terminal = -1, saved_stderr = -1;

/* Makes stderr the pseudo-terminal (or a file), runs `work`, and gives what arrived. */
static size_t capture(void (*work)(void), bool on_terminal, char *text, size_t size)
{
    int file = -1;
    FILE *f = NULL;
    if (on_terminal) {
        file = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    } else {
        f = tmpfile();
        assert_non_null(f);
        file = dup(fileno(f));
    }
    assert_true(file >= 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    work();
    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    size_t n = 0;
    if (on_terminal) {
        fcntl(terminal, F_SETFL, O_NONBLOCK);
        for (ssize_t got; (got = read(terminal, text + n, size - 1 - n)) > 0;)
            n += (size_t)got;
    } else {
        rewind(f);
        n = fread(text, 1, size - 1, f);
        fclose(f);
    }
    close(file);
    text[n] = 0;
    return n;
}

static void count_to_1000(void)
{
    for (int i = 0; i <= 1000; i++)
        cn_progress("counting", i, 1000);
}

static void half_then_warn(void)
{
    cn_progress("reading", 50.9, 100);
    cn_warn("the file is %s", "odd");
    cn_progress("reading", 100, 100);
}

static void nothing_to_do(void)
{
    cn_progress("waiting", 0, 0);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void test_drawn_seldom_and_cleared(void **state)
{
    (void)state;
    char text[4096];
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    capture(count_to_1000, true, text, sizeof text);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    assert_non_null(strstr(text, "counting   0%"));
    size_t tenths = (size_t)(t1.tv_sec - t0.tv_sec + 1) * 10; /* usually one second's worth */
    assert_in_range(count(text, "counting"), 1, 1 + tenths);
    const char *end = "\r\033[K";
    assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void test_message_takes_the_line(void **state)
{
    (void)state;
    char text[4096];
    capture(half_then_warn, true, text, sizeof text);
    /* A terminal turns \n into \r\n. */
    assert_string_equal(text, "\r\033[Kreading  50%\r\033[Kcarnot: warning: the file is odd\r\n");
    capture(nothing_to_do, true, text, sizeof text);
    assert_string_equal(text, "");
}

static void long_work(void)
{
    cn_progress("a work with a name that is long", 1, 100);
}

/* A line that wraps would be drawn below itself each time: what does not fit is left out. */
static void test_narrow_terminal(void **state)
{
    (void)state;
    char text[4096];
    struct winsize size = { .ws_row = 24, .ws_col = 20 };
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
    capture(long_work, true, text, sizeof text);
    assert_string_equal(text, "\r\033[Ka work with a name ");
    capture(nothing_to_do, true, text, sizeof text);
    size.ws_col = 0;
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
}

static void say_of_odd_names(void)
{
    cn_say("%s: ", "a\033[2Jb\nc");
    cn_say("%d parts\n", 3);
    cn_say("x\xc2\x9b"
           "1m\n");
    cn_say("begun");
    cn_warn("wrong");
}

/* Names do not drive the terminal, and a message does not stand in the middle of a line. */
static void test_status_lines(void **state)
{
    (void)state;
    char text[4096];
    capture(say_of_odd_names, false, text, sizeof text);
    assert_string_equal(text, "a\\x1b[2Jb\\nc: 3 parts\n"
                              "x\\x9b1m\n"
                              "begun\n"
                              "carnot: warning: wrong\n");
}

static void test_no_terminal_no_progress(void **state)
{
    (void)state;
    char text[4096];
    capture(count_to_1000, false, text, sizeof text);
    assert_string_equal(text, "");
    capture(half_then_warn, false, text, sizeof text);
    assert_string_equal(text, "carnot: warning: the file is odd\n");
}

static int set_up(void **state)
{
    (void)state;
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    return terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return close(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn_seldom_and_cleared),
        cmocka_unit_test(test_message_takes_the_line),
        cmocka_unit_test(test_narrow_terminal),
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_no_terminal_no_progress),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
