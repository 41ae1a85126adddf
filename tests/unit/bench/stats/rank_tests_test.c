/* SPDX-License-Identifier: MIT */
#include "bench/stats/rank_tests.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-9))
        fail_msg("%.12g expected, %.12g found", expected, found);
}

/* ---- pairs -------------------------------------------------------------------------------------
 * Expected values: SciPy 1.10.1. Exact ones without ties: stats.wilcoxon(d, mode='exact'). Exact
 * ones with ties: stats.permutation_test over every sign of the non-zero d (n_resamples=inf), the
 * statistic being the sum of the ranks of positive ones. Normal ones: stats.wilcoxon(d,
 * mode='approx', zero_method='wilcox' or 'pratt', correction=...).
 */
/* clang-format off */
static const struct pairs {
    size_t n;
    double d[60], w_plus, w_minus, effect;
    double exact, normal, corrected, pratt, pratt_corrected;
} pairs[] = {
    { 1, { 2 }, 1, 0, 1, 1, 0.317310507862914, 1, 0.317310507862914, 1 },
    { 2, { 1, 2 }, 3, 0, 1, 0.5, 0.179712494879, 0.371093369522698, 0.179712494879, 0.371093369522698 },
    { 3, { 1, 2, 3 }, 6, 0, 1, 0.25, 0.108809430040546, 0.18144920772142, 0.108809430040546, 0.18144920772142 },
    { 5, { 1, 2, 3, 4, 5 }, 15, 0, 1,
      0.0625, 0.0431144467830754, 0.0590582290905367, 0.0431144467830754, 0.0590582290905367 },
    { 6, { 1, 2, 3, 4, -0.5, 6 }, 20, 1, 0.904761904761905,
      0.0625, 0.0463994618709046, 0.0591720678258594, 0.0463994618709046, 0.0591720678258594 },
    { 15, { 6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75 }, 96, 24, 0.6,
      0.041259765625, 0.0408881329118559, 0.0437723237630412, 0.0408881329118559, 0.0437723237630412 },
    { 10, { 1, 1, 2, 2, 2, -1, -2, 3, 3, -3 }, 38.5, 16.5, 0.4,
      0.30859375, 0.256558307743279, 0.278811837007106, 0.256558307743279, 0.278811837007106 },
    { 10, { 0, 0, 1, -1, 2, 3, 3, 4, 0, 5 }, 26.5, 1.5, 0.892857142857143,
      0.046875, 0.0339662330871287, 0.0417851684039221, 0.0375713278521657, 0.0426099298256118 },
    { 12, { .3, -.1, .2, .2, .5, .7, -.2, .1, .9, .4, .4, 0 }, 60.5, 5.5, 0.833333333333333,
      0.0126953125, 0.0141934905127284, 0.0160515641839407, 0.0147134094782398, 0.0163944940854293 },
    { 60, { -0.4, 0.5, -0.2, 0.4, -0.9, -0.3, 0.1, 1.2, 1.4, -1.0, -0.5, 0.9, -1.7, -0.2, 0.2, 1.6, 1.0, -0.0, -0.1,
            0.0, 1.8, -0.1, -0.0, 0.7, 0.2, 0.1, -0.8, 0.3, -0.1, 1.5, 1.0, 0.3, 1.0, -0.0, 1.4, 0.3, 0.9, -1.0, 0.6,
            -1.4, -1.7, -0.0, -0.6, 0.5, 2.5, -0.5, -0.3, 0.5, 0.8, 0.1, 0.1, 1.0, 0.8, -0.7, 0.2, 0.3, -0.8, 0.6,
            -0.6, 1.3 }, 986, 554, 0.280519480519481,
      (double)NAN, 0.0700893673996037, 0.0707404849895147, 0.0670612163292712, 0.067612773603627 },
};
/* clang-format on */

static double wilcoxon_p(const struct pairs *c, struct cn_rank_options o, struct cn_rank_test *t)
{
    static const double zero[60];
    assert_true(cn_wilcoxon(zero, c->d, c->n, &o, t));
    return t->p;
}

static void wilcoxon_is_scipys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pairs *c = &pairs[i];
        struct cn_rank_options o = { .method = CN_RANK_NORMAL };
        struct cn_rank_test t;
        near(wilcoxon_p(c, o, &t), c->normal);
        near(t.w_plus, c->w_plus);
        near(t.w_minus, c->w_minus);
        near(t.effect, c->effect);
        assert_false(t.exact);
        o.continuity = true;
        near(wilcoxon_p(c, o, &t), c->corrected);
        o.pratt = true;
        near(wilcoxon_p(c, o, &t), c->pratt_corrected);
        o.continuity = false;
        near(wilcoxon_p(c, o, &t), c->pratt);
        if (isnan(c->exact))
            continue;
        o = (struct cn_rank_options){ 0 };
        near(wilcoxon_p(c, o, &t), c->exact);
        assert_true(t.exact && isnan(t.z));
    }
}

static void odd_pairs(void **state)
{
    static const double a[] = { 1, 2, 3, 0.30, 0.10 }, b[] = { 1, 2, 3, 0.45, 0.25 };
    struct cn_rank_options o = { 0 };
    struct cn_rank_test t;
    (void)state;
    assert_true(cn_wilcoxon(a, b, 3, &o, &t)); /* no difference at all */
    assert_int_equal(t.n_zero, 3);
    near(t.p, 1);
    near(t.effect, 0);
    assert_true(cn_wilcoxon(a, b, 0, &o, &t));
    assert_true(isnan(t.p) && isnan(t.effect));
    /* 0.45 - 0.30 and 0.25 - 0.10 are 0.15 both, with other bits. */
    assert_true(b[3] - a[3] != b[4] - a[4]);
    static const double high[] = { 0.45, 0.10 }, low[] = { 0.30, 0.25 };
    assert_true(cn_wilcoxon(low, high, 2, &o, &t));
    assert_true(fabs(t.w_plus - t.w_minus) > 0.5);
    o.digits = 10;
    assert_true(cn_wilcoxon(low, high, 2, &o, &t));
    near(t.w_plus, 1.5);
    near(t.w_minus, 1.5);
    /* The other way round the test is the same, the effect has the other sign. */
    struct cn_rank_test back;
    assert_true(cn_wilcoxon(pairs[5].d, a, 5, &o, &t));
    assert_true(cn_wilcoxon(a, pairs[5].d, 5, &o, &back));
    near(t.p, back.p);
    near(t.effect, -back.effect);
}

/* ---- no pairs ----------------------------------------------------------------------------------
 * stats.mannwhitneyu(b, a, method='exact'), with ties stats.permutation_test of the ranks over
 * every choice; stats.mannwhitneyu(b, a, method='asymptotic', use_continuity=...);
 * np.mean(np.sign(np.subtract.outer(b, a))).
 */
/* clang-format off */
static const struct sets {
    size_t n_a, n_b;
    double a[40], b[40], u, delta, exact, normal, corrected;
} sets[] = {
    { 4, 5, { 1.1, 2.2, 3.3, 4.4 }, { 2.5, 3.6, 4.7, 5.8, 6.9 }, 17, 0.7,
      0.111111111111111, 0.0864107329737, 0.11134688653314 },
    { 1, 3, { 1 }, { 2, 3, 4 }, 3, 1, 0.5, 0.179712494879, 0.371093369522698 },
    { 5, 6, { 1, 2, 2, 3, 4 }, { 2, 3, 3, 5, 6, 6 }, 24, 0.6,
      0.121212121212121, 0.0933772436051155, 0.113049978856323 },
    { 3, 3, { 1, 2, 3 }, { 4, 5, 6 }, 9, 1, 0.1, 0.0495346134356267, 0.0808555983700522 },
    { 30, 30, { 150.01, 152.39, 147.81, 142.88, 146.36, 142.07, 150.48, 160.72, 146.06, 145.04, 153.92, 152.86, 150.84,
                142.56, 149.77, 155.56, 139.25, 146.34, 134.79, 139.68, 135.27, 148.12, 139.86, 152.17, 151.25, 148.5,
                129.87, 145.69, 149.61, 150.91 },
      { 155.54, 154.71, 149.27, 153.05, 138.02, 144.95, 156.9, 136.97, 160.77, 140.03, 160.05, 147.24, 160.23, 155.05,
        141.71, 163.99, 165.53, 153.47, 151.81, 152.72, 146.2, 162.79, 149.66, 153.59, 147.65, 148.99, 143.78, 164.06,
        152.77, 161.73 }, 636, 0.413333333333333, 0.00550025982167326, 0.0059612885288648, 0.00609714234517395 },
    { 40, 35, { 6, 2, 7, 7, 6, 6, 2, 6, 1, 5, 8, 8, 2, 2, 5, 3, 6, 1, 1, 0, 4, 1, 2, 8, 7, 7, 5, 1, 6, 5, 8, 4, 1, 5, 4,
                5, 3, 2, 1, 8 },
      { 8, 6, 4, 7, 5, 7, 2, 3, 8, 2, 8, 5, 2, 8, 8, 9, 10, 8, 9, 3, 10, 10, 8, 9, 8, 9, 10, 6, 9, 10, 4, 2, 3, 2, 5 },
      1023, 0.461428571428571, (double)NAN, 0.000552620691704266, 0.000563677814687687 },
};
/* clang-format on */

static void mann_whitney_is_scipys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const struct sets *s = &sets[i];
        struct cn_rank_options o = { .method = CN_RANK_NORMAL };
        struct cn_rank_test t;
        assert_true(cn_mann_whitney(s->a, s->n_a, s->b, s->n_b, &o, &t));
        near(t.p, s->normal);
        near(t.w_plus, s->u);
        near(t.w_plus + t.w_minus, (double)(s->n_a * s->n_b));
        near(t.effect, s->delta);
        o.continuity = true;
        assert_true(cn_mann_whitney(s->a, s->n_a, s->b, s->n_b, &o, &t));
        near(t.p, s->corrected);
        if (isnan(s->exact))
            continue;
        o = (struct cn_rank_options){ .method = CN_RANK_EXACT };
        assert_true(cn_mann_whitney(s->a, s->n_a, s->b, s->n_b, &o, &t));
        near(t.p, s->exact);
        assert_true(t.exact);
    }
    static const double same[] = { 2, 2, 2 };
    struct cn_rank_options o = { .method = CN_RANK_NORMAL };
    struct cn_rank_test t;
    assert_true(cn_mann_whitney(same, 3, same, 3, &o, &t));
    near(t.p, 1);
    near(t.effect, 0);
    assert_true(cn_mann_whitney(same, 0, same, 3, &o, &t) && isnan(t.p));
}

/* SciPy 1.10.1: stats.wilcoxon(d, alternative='greater' and 'less', mode=...), d of Darwin's plants
 * (exact, approximate with correction=True) and 'zeros' (approximate); stats.mannwhitneyu(b, a,
 * alternative=..., method='exact'), then asymptotic. */
static void one_side(void **state)
{
    static const double zero[15];
    struct cn_rank_options o = { 0 };
    struct cn_rank_test t;
    (void)state;
    assert_true(cn_wilcoxon(zero, pairs[5].d, 15, &o, &t));
    near(t.p_above, 0.0206298828125);
    near(t.p_below, 0.982330322265625);
    o = (struct cn_rank_options){ .method = CN_RANK_NORMAL, .continuity = true };
    assert_true(cn_wilcoxon(zero, pairs[5].d, 15, &o, &t));
    near(t.p_above, 0.0218861618815206);
    near(t.p_below, 0.980916684333219);
    o.continuity = false;
    assert_true(cn_wilcoxon(zero, pairs[7].d, 10, &o, &t));
    near(t.p_above, 0.0169831165435644);
    near(t.p_below, 0.983016883456436);
    o.method = CN_RANK_EXACT;
    assert_true(cn_mann_whitney(sets[0].a, 4, sets[0].b, 5, &o, &t));
    near(t.p_above, 0.0555555555555556);
    near(t.p_below, 0.968253968253968);
    o = (struct cn_rank_options){ .method = CN_RANK_NORMAL, .continuity = true };
    assert_true(cn_mann_whitney(sets[2].a, 5, sets[2].b, 6, &o, &t));
    near(t.p_above, 0.0565249894281614);
    near(t.p_below, 0.961724575315073);
}

/* Where exact and approximate take turns, they say nearly the same. */
static void methods_meet(void **state)
{
    double a[60], b[60];
    uint64_t seed = 5;
    (void)state;
    for (int i = 0; i < 60; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        a[i] = (double)(seed >> 54);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        b[i] = (double)(seed >> 54) + 150;
    }
    for (size_t n = 48; n <= 53; n++) {
        struct cn_rank_options o = { .method = CN_RANK_EXACT };
        struct cn_rank_test exact, normal, chosen;
        assert_true(cn_wilcoxon(a, b, n, &o, &exact));
        o.method = CN_RANK_NORMAL;
        assert_true(cn_wilcoxon(a, b, n, &o, &normal));
        o.method = CN_RANK_AUTO;
        assert_true(cn_wilcoxon(a, b, n, &o, &chosen));
        assert_true(exact.exact && !normal.exact);
        assert_int_equal(chosen.exact, n - exact.n_zero <= 50);
        assert_true(fabs(exact.p - normal.p) < 0.05 * exact.p + 0.001);
        assert_true(chosen.p == (chosen.exact ? exact.p : normal.p));
    }
}

/* ---- several sets ---------------------------------------------------------------------------- */

static void friedman_is_scipys(void **state)
{
    /* stats.friedmanchisquare(*x.T), stats.rankdata(x, axis=1).mean(0) */
    static const double plain[] = { 7, 9, 8, 6, 5, 7, 9, 7, 6, 8, 5, 6, 7, 6, 4, 5, 3, 2 };
    static const double tied[] = { 1, 1, 2, 3, 2, 2, 2, 4, 1, 2, 3, 4, 4, 3,
                                   2, 1, 1, 1, 1, 2, 2, 1, 4, 3, 1, 3, 3, 3 };
    static const double plain_ranks[] = { 2.5, 1.83333333333333, 1.66666666666667 };
    static const double tied_ranks[] = { 1.92857142857143, 2.07142857142857, 2.71428571428571,
                                         3.28571428571429 };
    struct cn_friedman f;
    double ranks[4];
    (void)state;
    assert_true(cn_friedman(plain, 6, 3, ranks, &f));
    near(f.chi2, 2.33333333333333);
    near(f.p, 0.311403223914598);
    near(f.kendall_w, 2.33333333333333 / 12);
    for (int i = 0; i < 3; i++)
        near(ranks[i], plain_ranks[i]);
    assert_true(cn_friedman(tied, 7, 4, ranks, &f));
    near(f.chi2, 6.05263157894737);
    near(f.p, 0.109077473552678);
    for (int i = 0; i < 4; i++)
        near(ranks[i], tied_ranks[i]);

    /* stats.wilcoxon(x[:, j] - x[:, i], mode='approx'); 0.1486... x 6 is the least of them. */
    static const double p[] = { 0.705456986111273, 0.257899035292339, 0.200005292719114,
                                0.256839257957857, 0.148613996455212, 0.317310507862914 };
    const struct cn_rank_options normal = { .method = CN_RANK_NORMAL };
    struct cn_rank_test tests[6];
    double holm[6];
    assert_true(cn_friedman_pairs(tied, 7, 4, &normal, tests, holm));
    for (int i = 0; i < 6; i++)
        near(tests[i].p, p[i]);
    near(holm[4], 6 * 0.148613996455212);
    near(holm[0], 1);

    static const double same[] = { 1, 1, 1, 1 };
    assert_true(cn_friedman(same, 2, 2, ranks, &f));
    near(f.chi2, 0);
    near(f.p, 1);
    assert_true(cn_friedman(same, 1, 4, ranks, &f) && isnan(f.p));
}

static void holm_steps_down(void **state)
{
    /* By hand: sorted 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before), 0.5 x 1. */
    double p[] = { 0.03, 0.01, (double)NAN, 0.5, 0.02 };
    (void)state;
    assert_true(cn_holm(p, 5));
    near(p[0], 0.06);
    near(p[1], 0.04);
    assert_true(isnan(p[2]));
    near(p[3], 0.5);
    near(p[4], 0.06);
    double large[] = { 0.6, 0.9 };
    assert_true(cn_holm(large, 2));
    near(large[0], 1);
    near(large[1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilcoxon_is_scipys),     cmocka_unit_test(odd_pairs),
        cmocka_unit_test(mann_whitney_is_scipys), cmocka_unit_test(one_side),
        cmocka_unit_test(methods_meet),           cmocka_unit_test(friedman_is_scipys),
        cmocka_unit_test(holm_steps_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
