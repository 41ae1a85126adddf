/* SPDX-License-Identifier: MIT */
#include "bench/stats/stats.h"

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
    double again[] = { 9, 1, 8, 2, 7, 3, 6, 4, 5 }, many[2000], lo, hi, lo2, hi2;
    (void)state;
    cn_median_interval(one, 1, &lo, &hi);
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
    for (int i = 0; i < 2000; i++)
        many[i] = i;
    cn_median_interval(many, 2000, &lo, &hi);
    assert_true(lo > 940 && lo < 999.5 && hi > 999.5 && hi < 1060); /* +- 1.96 sqrt(2000) / 2 */
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

/* Values and results of SciPy 1.10.1 and NumPy 1.24.2: stats.shapiro(x), which works in single
 * precision, and np.percentile(x, 25), (x, 75), np.mean(x), np.std(x, ddof=1). */
/* clang-format off */
static const struct reference {
    size_t n;
    double x[30], w, p, q1, q3, mean, sd;
} references[] = {
    { 3, { 1.2, 1.9, 2.1 }, 0.906716465950012, 0.407210797071457,
      1.55, 2, 1.73333333333333, 0.472581562625261 },
    { 4, { 1, 2, 4, 9.5 }, 0.882742881774902, 0.350483030080795,
      1.75, 5.375, 4.125, 3.79418414594407 },
    { 5, { 3.1, 2.9, 3.0, 3.4, 2.2 }, 0.907923698425293, 0.455214411020279,
      2.9, 3.1, 2.92, 0.443846820423443 },
    { 6, { 0.1, 0.2, 0.4, 0.8, 1.6, 3.2 }, 0.833504974842072, 0.115067094564438,
      0.25, 1.4, 1.05, 1.1861703081767 },
    { 11, { 148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236 }, 0.788814783096313, 0.00670383311808109,
      159, 176, 172, 24.9519538313135 },
    { 12, { 5, 5, 5, 6, 6, 7, 8, 8, 9, 9, 9, 30 }, 0.540228605270386, 3.55438751284964e-05,
      5.75, 9, 8.91666666666667, 6.82852750443226 },
    { 15, { 6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75 }, 0.900787472724915, 0.0978466421365738,
      11, 45, 20.9333333333333, 37.7443783262898 },
    { 30, { 150.01, 152.39, 147.81, 142.88, 146.36, 142.07, 150.48, 160.72, 146.06, 145.04, 153.92, 152.86, 150.84,
            142.56, 149.77, 155.56, 139.25, 146.34, 134.79, 139.68, 135.27, 148.12, 139.86, 152.17, 151.25, 148.5,
            129.87, 145.69, 149.61, 150.91 }, 0.968920767307281, 0.510083258152008,
      142.64, 150.8925, 146.688, 6.68897363396374 },
    { 30, { 2.362, 1.053, 0.044, 0.587, 2.029, 1.269, 2.793, 0.017, 1.808, 0.501, 0.711, 6.15, 2.809, 7.591, 3.496,
            4.486, 0.29, 0.605, 0.478, 2.296, 2.447, 0.254, 0.768, 2.136, 0.137, 0.196, 1.743, 3.748, 5.393, 1.412 },
      0.86347359418869, 0.00120310217607766, 0.5225, 2.7065, 1.98696666666667, 1.92268905591807 },
};
/* clang-format on */

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6))
        fail_msg("%.12g expected, %.12g found", expected, found);
}

static void summaries_are_numpys(void **state)
{
    struct cn_summary s;
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const struct reference *r = &references[i];
        double x[30];
        memcpy(x, r->x, sizeof x);
        cn_summarise(x, r->n, &s);
        near(s.q1, r->q1);
        near(s.q3, r->q3);
        near(s.mean, r->mean);
        near(s.sd, r->sd);
        assert_true(s.min <= s.lo && s.lo <= s.median && s.median <= s.hi && s.hi <= s.max);
    }
    double one[] = { 4 };
    cn_summarise(one, 1, &s);
    near(s.median, 4);
    assert_true(isnan(s.sd) && isnan(s.lo));
    cn_summarise(one, 0, &s);
    assert_true(isnan(s.median) && isnan(s.mean) && s.n == 0);
}

static void shapiro_is_scipys(void **state)
{
    static const double same[] = { 3, 3, 3, 3 };
    double w, p;
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        assert_true(cn_shapiro(references[i].x, references[i].n, &w, &p));
        near(w, references[i].w);
        near(p, references[i].p);
    }
    assert_true(cn_shapiro(same, 4, &w, &p) && isnan(w) && isnan(p));
    assert_true(cn_shapiro(references[0].x, 2, &w, &p) && isnan(w));
}

static void the_front_is_what_nothing_beats(void **state)
{
    /* joules (less is better), tokens/s (more is) */
    static const double points[] = { 1, 10, 2, 20, 3, 15, 1, 10, 0.5, (double)NAN, 4, 30, 1, 9 };
    static const bool higher[] = { false, true };
    static const bool expected[] = { true, true, false, true, false, true, false };
    bool found[7];
    (void)state;
    cn_pareto(points, 7, 2, higher, found);
    for (int i = 0; i < 7; i++)
        assert_int_equal(found[i], expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(intervals),
        cmocka_unit_test(intervals_hold_the_median),
        cmocka_unit_test(summaries_are_numpys),
        cmocka_unit_test(shapiro_is_scipys),
        cmocka_unit_test(the_front_is_what_nothing_beats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
