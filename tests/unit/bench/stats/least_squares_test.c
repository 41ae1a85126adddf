/* SPDX-License-Identifier: MIT */
#include "bench/stats/least_squares.h"

#include "base/rng.h"
#include "bench/kernel/blas.h"

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

/* Against LAPACK's dgels, which shares no code with this: a thousand random problems, every tenth
 * column of which is nearly another one. Both are backward stable, each the exact solution of a
 * problem whose columns differ by about eps; so, with columns of size 1 and the condition kappa of
 * the scaled matrix, solutions differ by at most some eps * kappa * (|beta| + kappa * |residual|)
 * (Higham, Accuracy and Stability of Numerical Algorithms, 2002, theorem 20.1). kappa is bounded by
 * the norms of the matrix (at most sqrt k) and of the inverse of R, which the covariance tells. */
static void test_lapack(void **unused)
{
    (void)unused;
    enum { PROBLEMS = 1000, MOST_N = 60 };
    const char *why;
    if (!cn_blas_there(&why)) {
        print_message("SKIPPED: against LAPACK: %s\n", why);
        skip();
    }
    const double eps = 0x1p-52;
    double worst = 0, worst_kappa = 0;
    struct cn_rng rng = { 20 };
    int n_compared = 0;
    for (int problem = 0; problem < PROBLEMS; problem++) {
        const size_t k = 1 + (size_t)cn_rng_int(&rng, CN_LS_MOST);
        const size_t n = k + 1 + (size_t)cn_rng_int(&rng, MOST_N - CN_LS_MOST - 1);
        double x[MOST_N * CN_LS_MOST], y[MOST_N], sigma[MOST_N];
        double a[MOST_N * CN_LS_MOST], b[MOST_N], size[CN_LS_MOST];
        /* How near to another one a column is: from not at all to a distance of 10^-7. */
        const double distance = pow(10, -7 * cn_rng_uniform(&rng));
        for (size_t c = 0; c < k; c++) {
            const double unit = pow(10, 6 * cn_rng_uniform(&rng) - 3);
            const bool near = c > 0 && cn_rng_int(&rng, 3) == 0;
            for (size_t i = 0; i < n; i++)
                x[i * k + c] = near ? x[i * k + c - 1] * (1 + distance * cn_rng_normal(&rng))
                                    : unit * cn_rng_normal(&rng);
        }
        const double noise = pow(10, -8 * cn_rng_uniform(&rng));
        for (size_t i = 0; i < n; i++) {
            sigma[i] = 0.5 + cn_rng_uniform(&rng);
            y[i] = noise * cn_rng_normal(&rng);
            for (size_t c = 0; c < k; c++)
                y[i] += (double)(c % 3 + 1) * x[i * k + c];
        }
        struct cn_least_squares fit;
        if (!cn_least_squares(x, y, sigma, true, n, k, &fit, &why)) {
            assert_string_equal(why, "the measurements do not tell the unknowns apart");
            continue;
        }
        n_compared++;
        for (size_t c = 0; c < k; c++) {
            double norm = 0;
            for (size_t i = 0; i < n; i++)
                norm = hypot(norm, a[c * n + i] = x[i * k + c] / sigma[i]);
            size[c] = norm;
            for (size_t i = 0; i < n; i++)
                a[c * n + i] /= norm;
        }
        for (size_t i = 0; i < n; i++)
            b[i] = y[i] / sigma[i];
        assert_true(cn_blas_least_squares(n, k, a, b));
        double residual = 0, inverse = 0, beta = 0, difference = 0;
        for (size_t c = 0; c < k; c++) {
            inverse += fit.cov[c][c] / (fit.scale * fit.scale) * size[c] * size[c];
            beta = hypot(beta, b[c]);
            difference = hypot(difference, fit.beta[c] * size[c] - b[c]);
        }
        for (size_t i = k; i < n; i++) /* dgels leaves the residual's coordinates there */
            residual = hypot(residual, b[i]);
        const double kappa = sqrt((double)k) * sqrt(inverse);
        const double bound = (double)(2 * n) * eps * kappa * (beta + kappa * residual);
        if (!(difference <= bound))
            fail_msg("problem %d, %zu x %zu, condition %.2g: |beta - dgels's| = %.3g, bound %.3g",
                     problem, n, k, kappa, difference, bound);
        worst = fmax(worst, difference / bound);
        worst_kappa = fmax(worst_kappa, kappa);
    }
    print_message("%d problems up to condition %.1g: at most %.2g of the bound\n", n_compared,
                  worst_kappa, worst);
    assert_true(n_compared > 900 && worst_kappa > 1e6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longley),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_lapack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
