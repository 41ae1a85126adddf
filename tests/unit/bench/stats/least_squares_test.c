/* SPDX-License-Identifier: MIT */
#include "bench/stats/least_squares.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t state = 7;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform();
    return sum;
}

static void close_to(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%.12g, expected %.12g", got, expected);
}

/* Longley's employment data, whose columns are nearly dependent: NIST's certified values. */
static void test_longley(void **unused)
{
    (void)unused;
    /* clang-format off */
    static const double x[] = {
        1,  83.0, 234289, 2356, 1590, 107608, 1947, 1,  88.5, 259426, 2325, 1456, 108632, 1948,
        1,  88.2, 258054, 3682, 1616, 109773, 1949, 1,  89.5, 284599, 3351, 1650, 110929, 1950,
        1,  96.2, 328975, 2099, 3099, 112075, 1951, 1,  98.1, 346999, 1932, 3594, 113270, 1952,
        1,  99.0, 365385, 1870, 3547, 115094, 1953, 1, 100.0, 363112, 3578, 3350, 116219, 1954,
        1, 101.2, 397469, 2904, 3048, 117388, 1955, 1, 104.6, 419180, 2822, 2857, 118734, 1956,
        1, 108.4, 442769, 2936, 2798, 120445, 1957, 1, 110.8, 444546, 4681, 2637, 121950, 1958,
        1, 112.6, 482704, 3813, 2552, 123366, 1959, 1, 114.2, 502601, 3931, 2514, 125368, 1960,
        1, 115.7, 518173, 4806, 2572, 127852, 1961, 1, 116.9, 554894, 4007, 2827, 130081, 1962,
    };
    static const double y[] = { 60323, 61122, 60171, 61187, 63221, 63639, 64989, 63761,
                                66019, 67857, 68169, 66513, 68655, 69564, 69331, 70551 };
    static const double beta[] = { -3482258.63459582, 15.0618722713733, -0.358191792925910E-01,
                                   -2.02022980381683, -1.03322686717359, -0.511041056535807E-01,
                                   1829.15146461355 };
    static const double se[] = { 890420.383607373, 84.9149257747669, 0.334910077722432E-01,
                                 0.488399681651699, 0.214274163161675, 0.226073200069370,
                                 455.478499142212 };
    /* clang-format on */
    double sigma[16];
    for (int i = 0; i < 16; i++)
        sigma[i] = 3;
    struct cn_least_squares fit;
    const char *why;
    assert_true(cn_least_squares(x, y, sigma, true, 16, 7, &fit, &why));
    for (int i = 0; i < 7; i++) {
        close_to(fit.beta[i], beta[i], 1e-6);
        close_to(sqrt(fit.cov[i][i]), se[i], 1e-6);
    }
    close_to(3 * fit.scale, 304.854073561965, 1e-8);
    close_to(fit.t95, 2.262157, 1e-3);
}

/* Known scatter: the intervals hold in about 95 of 100, and residuals that are larger than the
 * sigmas widen them. */
static void test_coverage(void **unused)
{
    (void)unused;
    enum { N = 24, RUNS = 1000 };
    int held = 0, held_wide = 0;
    for (int run = 0; run < RUNS; run++) {
        double x[2 * N], y[N], sigma[N], wide[N];
        for (int i = 0; i < N; i++) {
            x[2 * i] = 1 + uniform();
            x[2 * i + 1] = 3 * uniform();
            sigma[i] = 0.05 + 0.2 * uniform();
            double z = normal();
            y[i] = 5 * x[2 * i] - 2 * x[2 * i + 1] + sigma[i] * z;
            wide[i] = 5 * x[2 * i] - 2 * x[2 * i + 1] + 4 * sigma[i] * z;
        }
        struct cn_least_squares fit;
        const char *why;
        const double at[] = { 1, 1 };
        double se;
        assert_true(cn_least_squares(x, y, sigma, true, N, 2, &fit, &why));
        held += fabs(cn_least_squares_at(&fit, at, &se) - 3) <= fit.t95 * se;
        assert_true(cn_least_squares(x, wide, sigma, false, N, 2, &fit, &why));
        held_wide += fabs(cn_least_squares_at(&fit, at, &se) - 3) <= fit.t95 * se;
    }
    print_message("intervals held %d and %d times of %d\n", held, held_wide, RUNS);
    assert_in_range(held, 920, 975);
    assert_in_range(held_wide, 920, 975);
}

static void test_refusals(void **unused)
{
    (void)unused;
    const double x[] = { 1, 2, 2, 4, 3, 6, 4, 8 }, zero[] = { 1, 0, 2, 0, 3, 0, 4, 0 };
    const double y[] = { 1, 2, 3, 4 }, sigma[] = { 1, 1, 1, 1 };
    struct cn_least_squares fit;
    const char *why;
    assert_false(cn_least_squares(x, y, sigma, true, 4, 2, &fit, &why));
    assert_string_equal(why, "the measurements do not tell the unknowns apart");
    assert_false(cn_least_squares(zero, y, sigma, true, 4, 2, &fit, &why));
    assert_false(cn_least_squares(x, y, sigma, true, 2, 2, &fit, &why));
    assert_string_equal(why, "too few measurements for so many unknowns");
    assert_false(cn_least_squares(x, y, sigma, true, 4, 0, &fit, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longley),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
