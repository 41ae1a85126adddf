/* SPDX-License-Identifier: MIT */
#include "bench/stats/fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const double bpw[] = { 2.56, 3.0, 3.44, 3.91, 4.25, 4.84, 5.54, 6.56, 8.5 };
static const double joules[] = { .31, .33, .36, .41, .42, .47, .53, .60, .79 };
static const double ppl[] = { 12.1, 9.2, 7.1, 5.9, 5.2, 4.9, 4.6, 4.55, 4.4 };

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * fmax(1, fabs(expected))))
        fail_msg("%.12g expected, %.12g found", expected, found);
}

static void check_line(const double *x, const double *y, size_t n, const double expected[9])
{
    struct cn_line l;
    assert_true(cn_line_fit(x, y, n, &l));
    near(l.slope, expected[0]);
    near(l.intercept, expected[1]);
    near(l.slope_lo, expected[2]);
    near(l.slope_hi, expected[3]);
    near(l.p, expected[4]);
    near(l.r2, expected[5]);
    near(l.residual_sd, expected[6]);
    near(l.p_curved, expected[7]);
    assert_true(fabs(l.p_not_normal - expected[8]) < 5e-6); /* SciPy's is of single precision */
}

/* SciPy 1.10.1: stats.linregress(x, y), stats.t.ppf for the interval; p_curved is stats.f.sf of the
 * F of np.linalg.lstsq with x^2 against without; then stats.shapiro(residuals). */
static void lines_are_scipys(void **state)
{
    static const double x[] = { 1, 1, 2, 2, 3, 3, 4 }, y[] = { 2, 2.2, 2.9, 3.1, 4.2, 3.9, 5.3 };
    static const double straight[] = {
        0.0806156559737438, 0.0873081172798351,   0.0751142747067636,
        0.086117037240724,  4.32465818142781e-09, 0.9942036603862,
        0.0124199934798555, 0.0116558997670978,   0.533215343952179
    };
    static const double bent[] = { -1.0414429714676,   11.3683856205022,    -1.87010489656428,
                                   -0.212781046370928, 0.0207545667336971,  0.557846960394465,
                                   1.87079847900712,   0.00428108439744533, 0.18650133907795 };
    static const double tied[] = { 1.04423076923077,  0.984615384615385,    0.889809009285139,
                                   1.1986525291764,   1.15459378458208e-05, 0.983721907863129,
                                   0.163730547875747, 0.204757664850368,    0.512698173522949 };
    (void)state;
    check_line(bpw, joules, 9, straight);
    check_line(bpw, ppl, 9, bent);
    check_line(x, y, 7, tied);
    /* p to its own precision */
    struct cn_line l;
    assert_true(cn_line_fit(bpw, joules, 9, &l));
    assert_true(fabs(l.p / 4.32465818142781e-09 - 1) < 1e-9);
}

static void odd_lines(void **state)
{
    static const double x[] = { 1, 2, 3, 4 }, y[] = { 3, 5, 7, 9 }, flat[] = { 2, 2, 2, 2 };
    struct cn_line l;
    (void)state;
    assert_true(cn_line_fit(x, y, 4, &l)); /* perfect */
    near(l.slope, 2);
    near(l.slope_lo, 2);
    near(l.intercept, 1);
    near(l.r2, 1);
    near(l.p, 0);
    assert_true(cn_line_fit(x, flat, 4, &l));
    near(l.slope, 0);
    assert_true(isnan(l.r2));
    near(l.p, 1);
    assert_true(cn_line_fit(flat, y, 4, &l) && isnan(l.slope));
    assert_true(cn_line_fit(x, y, 2, &l) && isnan(l.slope));
    assert_true(cn_line_fit(x, y, 3, &l) && isnan(l.p_curved));
}

static void check_break(const double *x, const double *y, size_t n, const double expected[9])
{
    struct cn_break b;
    assert_true(cn_break_fit(x, y, n, &b));
    near(b.at, expected[0]);
    near(b.lo, expected[1]);
    near(b.hi, expected[2]);
    near(b.value, expected[3]);
    near(b.slope_before, expected[4]);
    near(b.slope_after, expected[5]);
    near(b.r2, expected[6]);
    near(b.residual_sd, expected[7]);
    near(b.p, expected[8]);
}

/* NumPy and SciPy: np.linalg.lstsq for each place of the break on a grid of 20001, then
 * optimize.minimize_scalar around the best; the interval by optimize.brentq where the squares pass
 * rss * (1 + stats.f.ppf(.95, 1, n - 4) / (n - 4)). */
static void breaks_are_found(void **state)
{
    static const double x[] = { 2, 2, 2.5, 2.5, 3, 3, 3.5, 3.5, 4, 4, 5, 5, 6, 6, 8, 8 };
    static const double y[] = { 11.1,  10.8,  8.9,   8.8,   6.4,   6.6,   4.897, 4.597,
                                4.732, 4.782, 4.502, 4.752, 4.622, 4.672, 4.462, 4.662 };
    static const double between[] = { 3.71133056206553,  3.50706749688108,  4.20525926760765,
                                      5.42501576145127,  -5.68181816433173, -0.264744985540991,
                                      0.988581132099017, 0.355726519326982, 0.000107183043488552 };
    static const double repeated[] = { 3.40284654378085,  3.33577267291881,  3.47663091077123,
                                       4.74899955714815,  -4.44999999052254, -0.0426953117220696,
                                       0.997616224666831, 0.128438492663101, 1.28513548450662e-14 };
    static const double at_end[] = { 6.56,
                                     3.02451999240342,
                                     6.56,
                                     0.600407143455356,
                                     0.0747147523200677,
                                     0.0977282765694045,
                                     0.998387860731921,
                                     0.00775014365008342,
                                     0.0407963992239522 };
    struct cn_break b;
    (void)state;
    check_break(bpw, ppl, 9, between);
    check_break(x, y, 16, repeated);
    check_break(bpw, joules, 9, at_end);
    assert_true(cn_break_fit(bpw, joules, 9, &b) && b.open_hi && !b.open_lo);
    assert_true(cn_break_fit(bpw, ppl, 9, &b) && !b.open_hi && !b.open_lo);
}

static void odd_breaks(void **state)
{
    static const double x[] = { 6, 1, 2, 5, 3, 4 }, y[] = { 5, 5, 4, 4, 3, 3 }; /* a V at 3.5 */
    static const double few[] = { 1, 1, 2, 2, 3, 3 };
    struct cn_break b;
    (void)state;
    assert_true(cn_break_fit(x, y, 6, &b));
    near(b.at, 3.5);
    near(b.slope_before, -1);
    near(b.slope_after, 1);
    near(b.lo, 3.5);
    near(b.hi, 3.5);
    near(b.p, 0);
    assert_true(cn_break_fit(x, y, 4, &b) && isnan(b.at));
    assert_true(cn_break_fit(few, y, 6, &b) && isnan(b.at));
    assert_true(cn_break_fit(x, y, 0, &b) && isnan(b.at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_scipys),
        cmocka_unit_test(odd_lines),
        cmocka_unit_test(breaks_are_found),
        cmocka_unit_test(odd_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
