/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Against the C library's own: seconds and nanoseconds are one clock, in the stated units. */
static void test_units(void **state)
{
    (void)state;
    const int64_t wall = (int64_t)time(NULL);
    assert_in_range(cn_now_ns(CLOCK_REALTIME) / 1000000000, wall - 1, wall + 60);
    assert_true(fabs(cn_now_s(CLOCK_REALTIME) - (double)wall) < 60);
    const int64_t before = cn_now_ns(CLOCK_MONOTONIC);
    const double s = cn_seconds();
    const int64_t after = cn_now_ns(CLOCK_MONOTONIC);
    assert_true(s > 1e-9 * (double)before - 1e-6 && s < 1e-9 * (double)after + 1e-6);
}

static void test_sleep(void **state)
{
    (void)state;
    const int64_t ns = cn_now_ns(CLOCK_MONOTONIC);
    const double s = cn_seconds(), cpu = cn_now_s(CLOCK_PROCESS_CPUTIME_ID);
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    assert_true(cn_now_ns(CLOCK_MONOTONIC) - ns >= 20000000);
    assert_true(cn_seconds() - s >= 0.02 - 1e-6);
    assert_true(cn_now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu < 0.02); /* which does not count sleep */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
