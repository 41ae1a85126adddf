/* SPDX-License-Identifier: MIT */
#include "bench/stats/sequential.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROUNDS = 60, ROWS = 8 };

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%.12g expected, %.12g found", expected, found);
}

/* By hand: one of six is cut at either end, and counts as its neighbour in the squares; the
 * quantile of Student's distribution with 3 degrees of freedom, at 1 - .01 / (8 rows * 1 * 2) / 2,
 * from its closed form. */
static void trimmed_mean_and_its_interval(void **state)
{
    (void)state;
    static const double x[] = { 0.5, -0.03, 0.02, 0, -0.01, 0.01 };
    struct cn_sequential s;
    assert_true(cn_sequential_judge(x, 6, 8, 0.05, &s));
    near(s.ratio, exp(0.005));
    const double squares = 2 * 0.015 * 0.015 + 0.005 * 0.005 + 0.005 * 0.005 + 2 * 0.015 * 0.015;
    const double reach = 15.145097237869 * sqrt(squares / (4 * 3));
    near(s.lo, exp(0.005 - reach));
    near(s.hi, exp(0.005 + reach));
    assert_int_equal(s.verdict, CN_SEQUENTIAL_UNDECIDED);
}

static void verdicts_stand_on_the_whole_interval(void **state)
{
    (void)state;
    struct cn_sequential s;
    double x[12];
    static const struct {
        double ratio, noise;
        enum cn_sequential_verdict verdict;
    } cases[] = {
        {1.00,  0.001, CN_SEQUENTIAL_EQUIVALENT},
        { 1.03, 0.001, CN_SEQUENTIAL_EQUIVALENT},
        { 0.88, 0.001, CN_SEQUENTIAL_SLOWER    },
        { 1.12, 0.001, CN_SEQUENTIAL_FASTER    },
        { 0.95, 0.010, CN_SEQUENTIAL_UNDECIDED },
        { 0.88, 0.200, CN_SEQUENTIAL_UNDECIDED },
        { 1.00, 0,     CN_SEQUENTIAL_EQUIVALENT},
        { 0.90, 0,     CN_SEQUENTIAL_SLOWER    },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (int i = 0; i < 12; i++)
            x[i] = log(cases[c].ratio) + cases[c].noise * (i % 2 ? 1 : -1) * (1 + i % 3);
        assert_true(cn_sequential_judge(x, 12, 4, 0.05, &s));
        assert_int_equal(s.verdict, cases[c].verdict);
    }
}

static void few_rounds_decide_nothing(void **state)
{
    (void)state;
    static const double x[] = { -1, -1, -1, -1, -1 };
    struct cn_sequential s;
    for (size_t n = 0; n <= 5; n++) {
        assert_true(cn_sequential_judge(x, n, 1, 0.05, &s));
        assert_int_equal(s.verdict, CN_SEQUENTIAL_UNDECIDED);
        assert_true(isnan(s.lo) && isnan(s.hi) && (n == 0) == isnan(s.ratio));
    }
    assert_int_equal(cn_sequential_next(0), 6);
    assert_int_equal(cn_sequential_next(6), 7);
    assert_int_equal(cn_sequential_next(40), 50);
}

/* A round of a machine that others use: 2% of noise, and now and then a third slower. */
static double noisy(struct cn_rng *rng, double ratio)
{
    double x = log(ratio) + 0.02 * cn_rng_normal(rng);
    if (cn_rng_uniform(rng) < 0.05)
        x += cn_rng_uniform(rng) < 0.5 ? -0.4 : 0.4;
    return x;
}

/* Looks as one who stops at the first verdict: what is it? *covered: every interval on the way held
 * the truth. */
static enum cn_sequential_verdict look_until(struct cn_rng *rng, double ratio, bool *covered)
{
    double x[ROUNDS];
    struct cn_sequential s = { .verdict = CN_SEQUENTIAL_UNDECIDED };
    size_t due = cn_sequential_next(0);
    *covered = true;
    for (size_t n = 1; n <= ROUNDS && s.verdict == CN_SEQUENTIAL_UNDECIDED; n++) {
        x[n - 1] = noisy(rng, ratio);
        if (n < due)
            continue;
        assert_true(cn_sequential_judge(x, n, ROWS, 0.05, &s));
        *covered &= s.lo <= ratio && ratio <= s.hi;
        due = cn_sequential_next(n);
    }
    return s.verdict;
}

/* 1000 comparisons of a program with itself, 8 rows each: no row may be called faster or slower,
 * and more than a hundredth of them may not have missed the truth on the way. */
static void a_program_is_level_with_itself(void **state)
{
    (void)state;
    struct cn_rng rng = { 11 };
    int missed = 0, level = 0;
    for (int i = 0; i < 1000; i++) {
        bool all = true;
        for (int row = 0; row < ROWS; row++) {
            bool covered;
            enum cn_sequential_verdict v = look_until(&rng, 1, &covered);
            assert_true(v == CN_SEQUENTIAL_EQUIVALENT || v == CN_SEQUENTIAL_UNDECIDED);
            level += v == CN_SEQUENTIAL_EQUIVALENT;
            all &= covered;
        }
        missed += !all;
    }
    assert_true(missed <= 20); /* 10 are expected at most */
    assert_true(level > 7900);
}

static void a_loss_of_twelve_percent_is_found(void **state)
{
    (void)state;
    struct cn_rng rng = { 12 };
    int found = 0;
    for (int i = 0; i < 1000; i++) {
        bool covered;
        enum cn_sequential_verdict v = look_until(&rng, 1 / 1.12, &covered);
        assert_true(v != CN_SEQUENTIAL_FASTER);
        found += v == CN_SEQUENTIAL_SLOWER;
    }
    assert_true(found > 980);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trimmed_mean_and_its_interval),
        cmocka_unit_test(verdicts_stand_on_the_whole_interval),
        cmocka_unit_test(few_rounds_decide_nothing),
        cmocka_unit_test(a_program_is_level_with_itself),
        cmocka_unit_test(a_loss_of_twelve_percent_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
