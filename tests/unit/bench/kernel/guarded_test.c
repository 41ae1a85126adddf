/* SPDX-License-Identifier: MIT */
#include "bench/kernel/guarded.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_guarded buffer;

static void read_at(void *p)
{
    (void)*(volatile uint8_t *)p;
}

static void write_at(void *p)
{
    *(volatile uint8_t *)p = 1;
}

static void test_guards(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 63, 4096, 5000 };
    assert_true(cn_guarded_create(&buffer, 5000));
    assert_true(cn_crash_begin());
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        uint8_t *end = cn_guarded_take(&buffer, n, CN_PLACE_END);
        assert_int_equal(cn_crash_catch(read_at, end + n), SIGSEGV);
        if (n)
            assert_int_equal(cn_crash_catch(write_at, end + n - 1), 0);
        assert_true(cn_guarded_intact(&buffer));
        assert_int_equal(cn_crash_catch(write_at, end - 1), 0);
        assert_false(cn_guarded_intact(&buffer));

        uint8_t *start = cn_guarded_take(&buffer, n, CN_PLACE_START);
        assert_true(cn_guarded_intact(&buffer));
        assert_int_equal(cn_crash_catch(read_at, start - 1), SIGSEGV);
        assert_int_equal(cn_crash_catch(write_at, start + n), 0);
        assert_false(cn_guarded_intact(&buffer));
    }
    cn_crash_end();
    cn_guarded_free(&buffer);
}

static void raise_it(void *sig)
{
    raise(*(int *)sig);
}

static void test_signals(void **state)
{
    (void)state;
    int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    struct sigaction before, after;
    sigaction(SIGILL, NULL, &before);
    assert_true(cn_crash_begin());
    assert_true(cn_crash_begin());
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
            assert_int_equal(cn_crash_catch(raise_it, &signals[i]), signals[i]);
    cn_crash_end();
    assert_int_equal(cn_crash_catch(raise_it, &signals[2]), SIGILL);
    cn_crash_end();
    sigaction(SIGILL, NULL, &after);
    assert_true(before.sa_handler == after.sa_handler);
    assert_string_equal(cn_signal_name(SIGILL), "SIGILL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
