/* SPDX-License-Identifier: MIT */
#include "bench/stats/equivalence.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const double a[] = { 10.1, 9.8, 10.4, 10.0, 9.9, 10.2, 10.3, 9.7 };
static const double b[] = { 10.3, 9.9, 10.5, 10.2, 9.8, 10.4, 10.6, 9.9 };
static const double c[] = { 10.9, 9.1, 10.7, 11.3, 8.9 };

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-8))
        fail_msg("%.12g expected, %.12g found", expected, found);
}

static void check(const struct cn_tost *t, double p_lo, double p_hi, double estimate, double lo,
                  double hi, double df, double p_different)
{
    near(t->p_lo, p_lo);
    near(t->p_hi, p_hi);
    near(t->p, fmax(p_lo, p_hi));
    near(t->estimate, estimate);
    near(t->lo, lo);
    near(t->hi, hi);
    near(t->df, df);
    near(t->p_different, p_different);
    /* The interval and p say the same. */
    assert_int_equal(t->p<0.05, t->lo> t->margin_lo && t->hi < t->margin_hi);
}

/* SciPy 1.10.1. Paired: stats.ttest_1samp(d, -m, alternative='greater'), (d, m,
 * alternative='less'), stats.t.interval(.9, n - 1, d.mean(), stats.sem(d)); unpaired:
 * stats.ttest_ind(..., equal_var=False). d and m are logarithms for ratios, m = log(1.05). */
static void tost_is_scipys(void **state)
{
    struct cn_tost t;
    (void)state;
    cn_tost_paired(a, b, 8, CN_SCALE_RATIO, 0.05, &t);
    check(&t, 6.18029374821485e-07, 3.8586109085439e-05, 1.01479812555546, 1.00684462057144,
          1.02281445874577, 7, 0.00950762255294806);
    near(t.margin_hi, 1.05);
    near(t.margin_lo, 1 / 1.05);
    cn_tost_paired(a, b, 8, CN_SCALE_DIFFERENCE, 0.15, &t);
    check(&t, 9.68912966320906e-05, 0.5, 0.15, 0.0699394415507412, 0.230060558449259, 7,
          0.00934815333719494);
    cn_tost_unpaired(a, 8, c, 5, CN_SCALE_RATIO, 0.05, &t);
    check(&t, 0.156959075207825, 0.230681563997359, 1.00834902883601, 0.907936803203797,
          1.11986622897839, 4.24628317519237, 0.875614929601963);
    cn_tost_unpaired(a, 8, c, 5, CN_SCALE_DIFFERENCE, 1, &t);
    check(&t, 0.0413614775417276, 0.076280423824048, 0.13, -0.918014966845142, 1.17801496684514,
          4.24902964386596, 0.806943360010714);
}

/* A ratio does not care which of the two comes first. */
static void ratios_turn_over(void **state)
{
    struct cn_tost ab, ba;
    (void)state;
    cn_tost_paired(a, b, 8, CN_SCALE_RATIO, 0.02, &ab);
    cn_tost_paired(b, a, 8, CN_SCALE_RATIO, 0.02, &ba);
    near(ab.p, ba.p);
    near(ab.estimate, 1 / ba.estimate);
    near(ab.lo, 1 / ba.hi);
}

static void without_spread(void **state)
{
    static const double one[] = { 4, 4, 4 }, near_one[] = { 4.1, 4.1, 4.1 }, two[] = { 8, 8, 8 };
    struct cn_tost t;
    (void)state;
    cn_tost_unpaired(one, 3, near_one, 3, CN_SCALE_RATIO, 0.05, &t);
    near(t.p, 0);
    near(t.lo, 1.025);
    near(t.hi, 1.025);
    cn_tost_paired(one, two, 3, CN_SCALE_RATIO, 0.05, &t);
    near(t.p, 1);
    near(t.p_different, 0);
    cn_tost_paired(one, one, 3, CN_SCALE_RATIO, 0.05, &t);
    near(t.p, 0);
    near(t.p_different, 1);
}

static void what_cannot_be_told(void **state)
{
    static const double zero[] = { 1, 0 };
    struct cn_tost t;
    (void)state;
    cn_tost_paired(a, b, 1, CN_SCALE_RATIO, 0.05, &t);
    assert_true(isnan(t.p) && isnan(t.estimate) && isnan(t.lo));
    cn_tost_unpaired(a, 8, b, 1, CN_SCALE_DIFFERENCE, 0.05, &t);
    assert_true(isnan(t.p));
    cn_tost_paired(a, zero, 2, CN_SCALE_RATIO, 0.05, &t);
    assert_true(isnan(t.p));
    cn_tost_paired(a, zero, 2, CN_SCALE_DIFFERENCE, 0.05, &t);
    assert_false(isnan(t.p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tost_is_scipys),
        cmocka_unit_test(ratios_turn_over),
        cmocka_unit_test(without_spread),
        cmocka_unit_test(what_cannot_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
