/* SPDX-License-Identifier: MIT */
#include "engine/tools.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* At every place of every length. */
static void every_place(void **state)
{
    static const float bad[] = { (float)NAN, -(float)NAN, (float)INFINITY, -(float)INFINITY };
    static const float good[] = { FLT_MAX, -FLT_MAX, FLT_TRUE_MIN, -0.0f, 1.5f };
    float x[20];
    (void)state;
    for (int n = 0; n <= 20; n++) {
        for (int i = 0; i < n; i++)
            x[i] = good[i % 5];
        assert_true(cn_all_finite(x, n));
        for (int i = 0; i < n; i++)
            for (int b = 0; b < 4; b++) {
                const float was = x[i];
                x[i] = bad[b];
                assert_false(cn_all_finite(x, n));
                assert_true(cn_all_finite(x, i)); /* what lies behind does not count */
                x[i] = was;
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_place) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
