/* SPDX-License-Identifier: MIT */
#include "bench/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-12 * fabs(expected)))
        fail_msg("%.17g expected, %.17g found", expected, found);
}

static void medians(void **state)
{
    double odd[] = { 5, -1, 3 }, even[] = { 4, 1, 3, 2 }, one[] = { 7 }, same[] = { 2, 2, 2, 2 };
    (void)state;
    expect(cn_median(odd, 3), 3);
    expect(odd[0], -1); /* sorted */
    expect(odd[2], 5);
    expect(cn_median(even, 4), 2.5);
    expect(cn_median(one, 1), 7);
    expect(cn_median(same, 4), 2);
}

static void quantiles_interpolate(void **state)
{
    static const double x[] = { 0, 10, 20, 40 };
    (void)state;
    expect(cn_quantile(x, 4, 0) + 1, 1);
    expect(cn_quantile(x, 4, 1), 40);
    expect(cn_quantile(x, 4, 0.5), 15);
    expect(cn_quantile(x, 4, 0.25), 7.5);
    expect(cn_quantile(x, 4, 0.9), 34);
    expect(cn_quantile(x, 1, 0.3) + 1, 1);
}

static void intervals(void **state)
{
    double one[] = { 3 }, same[] = { 4, 4, 4 }, some[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    double again[] = { 9, 1, 8, 2, 7, 3, 6, 4, 5 }, many[257] = { 0 }, lo, hi, lo2, hi2;
    (void)state;
    cn_median_interval(one, 1, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
    cn_median_interval(many, 257, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
    cn_median_interval(same, 3, &lo, &hi);
    expect(lo, 4);
    expect(hi, 4);
    cn_median_interval(some, 9, &lo, &hi);
    assert_true(lo >= 1 && lo < 5 && hi > 5 && hi <= 9);
    /* The order of the measurements does not matter, nor does a second call. */
    cn_median_interval(again, 9, &lo2, &hi2);
    expect(lo2, lo);
    expect(hi2, hi);
    cn_median_interval(many, 256, &lo, &hi);
    expect(lo + 1, 1);
    expect(hi + 1, 1);
}

static uint64_t state64 = 1;

static double uniform(void)
{
    state64 = state64 * 6364136223846793005u + 1442695040888963407u;
    return (double)(state64 >> 11) * 0x1p-53;
}

/* The promise of a 95% interval: over many samples of 15 about so many hold the true median. The
 * percentile bootstrap of a median is known to be near that, a little off for small samples. */
static void intervals_hold_the_median(void **state)
{
    enum { TRIALS = 300, N = 15 };
    int held = 0;
    (void)state;
    for (int t = 0; t < TRIALS; t++) {
        double x[N], lo, hi;
        for (int i = 0; i < N; i++)
            x[i] = -log(1 - uniform()); /* skewed; its median is ln 2 */
        cn_median_interval(x, N, &lo, &hi);
        held += lo <= log(2) && log(2) <= hi;
    }
    assert_in_range(held, TRIALS * 88 / 100, TRIALS * 99 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(intervals),
        cmocka_unit_test(intervals_hold_the_median),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
