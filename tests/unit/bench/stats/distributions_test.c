/* SPDX-License-Identifier: MIT */
#include "bench/stats/distributions.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Relative, so that the tails count too. */
static void expect(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.15g expected, %.15g found", expected, found);
}

/* Expected values: SciPy 1.10.1, the call behind each. */
static void tails(void **state)
{
    (void)state;
    expect(cn_normal_above(6), 9.86587645037695e-10);        /* norm.sf(6) */
    expect(cn_normal_above(-1.5), 0.933192798731142);        /* norm.sf(-1.5) */
    expect(cn_normal_above(14), 7.7935368191928e-45);        /* norm.sf(14) */
    expect(cn_student_above(2.5, 3), 0.0438533235040328);    /* t.sf(2.5, 3) */
    expect(cn_student_above(12, 200), 1.21106800262333e-25); /* t.sf(12, 200) */
    expect(cn_student_above(-0.7, 1.7), 0.716376706786012);  /* t.sf(-0.7, 1.7) */
    expect(cn_student_above(40, 29), 3.17343866486466e-27);  /* t.sf(40, 29) */
    expect(cn_student_above(0, 5), 0.5);
    expect(cn_chi2_above(415.84, 7), 9.5473719602483e-86); /* chi2.sf(415.84, 7) */
    expect(cn_chi2_above(1, 7), 0.994828536516515);        /* chi2.sf(1, 7) */
    expect(cn_chi2_above(9.5, 3), 0.0233313604308316);     /* chi2.sf(9.5, 3) */
    expect(cn_chi2_above(0, 3), 1);
    expect(cn_f_above(4.2, 2, 17), 0.0329404282063892);  /* f.sf(4.2, 2, 17) */
    expect(cn_f_above(0.3, 1, 9), 0.597202030581002);    /* f.sf(0.3, 1, 9) */
    expect(cn_f_above(300, 2, 30), 1.4679476870452e-20); /* f.sf(300, 2, 30) */
    expect(cn_f_above(0, 2, 30), 1);
    expect(cn_f_above((double)INFINITY, 2, 30) + 1, 1);
    expect(cn_student_above((double)INFINITY, 4) + 1, 1);
}

static void quantiles(void **state)
{
    (void)state;
    expect(cn_normal_quantile(1e-10), -6.36134090240406); /* norm.ppf(1e-10) */
    expect(cn_normal_quantile(0.3), -0.524400512708041);  /* norm.ppf(0.3) */
    expect(cn_normal_quantile(0.999), 3.09023230616781);  /* norm.ppf(0.999) */
    expect(cn_normal_quantile(0.5) + 1, 1);
    /* SciPy's t.ppf(0.975, 1.7) is itself off in the tenth digit; its betainc is not. */
    expect(cn_student_above(cn_student_quantile(0.975, 1.7), 1.7), 0.025);
    expect(cn_student_quantile(0.95, 29), 1.6991270265335); /* t.ppf(0.95, 29) */
    expect(cn_student_quantile(0.1, 4), -1.53320627371314); /* t.ppf(0.1, 4) */
    expect(cn_f_quantile(0.95, 1, 9), 5.11735502919923);    /* f.ppf(0.95, 1, 9) */
    expect(cn_f_quantile(0.95, 2, 4), 6.94427190999915);    /* f.ppf(0.95, 2, 4) */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails),
        cmocka_unit_test(quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
