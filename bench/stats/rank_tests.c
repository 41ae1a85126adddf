/* SPDX-License-Identifier: MIT */
#include "bench/stats/rank_tests.h"

#include "bench/stats/distributions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With more values than these the exact distribution takes long to count, and the approximation
 * has no visible error. */
enum { AUTO_PAIRS = 50, MOST_PAIRS = 500, AUTO_SMALLER = 25, AUTO_BOTH = 50, MOST_BOTH = 200 };

/* ---- ranks ----------------------------------------------------------------------------------- */

struct ranked {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    return x < y ? -1 : x > y;
}

bool cn_ranks(const double *x, size_t n, double *ranks, double *ties)
{
    struct ranked *sorted = malloc((n + 1) * sizeof *sorted);
    double sum = 0;
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct ranked){ x[i], i };
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end].value == sorted[i].value;)
            end++;
        double t = (double)(end - i);
        sum += t * t * t - t;
        for (size_t j = i; j < end; j++)
            ranks[sorted[j].index] = 0.5 * (double)(i + 1 + end);
    }
    free(sorted);
    if (ties)
        *ties = sum;
    return true;
}

bool cn_holm(double *p, size_t n)
{
    struct ranked *sorted = malloc((n + 1) * sizeof *sorted);
    size_t m = 0;
    double least = 0;
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isnan(p[i]))
            sorted[m++] = (struct ranked){ p[i], i };
    qsort(sorted, m, sizeof *sorted, by_value);
    for (size_t i = 0; i < m; i++) {
        least = fmax(least, fmin(1, (double)(m - i) * sorted[i].value));
        p[sorted[i].index] = least;
    }
    free(sorted);
    return true;
}

/* ---- exact distributions -----------------------------------------------------------------------
 * Ranks with ties are multiples of a half, so twice a rank counts in whole numbers, and the number
 * of ways to reach each sum follows by adding one rank after the other. With ties this is the
 * distribution given the ties found, as of a permutation test over every arrangement.
 */

static void set_p(struct cn_rank_test *test, double p_above, double p_below)
{
    test->p_above = fmin(1, p_above);
    test->p_below = fmin(1, p_below);
    test->p = fmin(1, 2 * fmin(p_above, p_below));
}

/* ranks[n], each with either sign: p of the sum w of those with a plus. */
static bool exact_signs(const double *ranks, size_t n, double w, struct cn_rank_test *test)
{
    size_t most = 0, at = (size_t)lround(2 * w);
    for (size_t i = 0; i < n; i++)
        most += (size_t)lround(2 * ranks[i]);
    double *share = calloc(most + 1, sizeof *share); /* of all arrangements with this sum */
    if (!share)
        return false;
    share[0] = 1;
    size_t reached = 0;
    for (size_t i = 0; i < n; i++) {
        size_t r = (size_t)lround(2 * ranks[i]);
        reached += r;
        for (size_t s = reached + 1; s-- > 0;)
            share[s] = 0.5 * (share[s] + (s >= r ? share[s - r] : 0));
    }
    double below = 0, above = 0;
    for (size_t s = 0; s <= at; s++)
        below += share[s];
    for (size_t s = at; s <= most; s++)
        above += share[s];
    free(share);
    set_p(test, above, below);
    return true;
}

/* ranks[n], any m of them: p of their sum w. */
static bool exact_choice(const double *ranks, size_t n, size_t m, double w,
                         struct cn_rank_test *test)
{
    size_t most = 2 * n * m, at = (size_t)lround(2 * w), width = most + 1;
    double *ways = calloc((m + 1) * width, sizeof *ways); /* [m + 1, width] */
    if (!ways)
        return false;
    ways[0] = 1;
    for (size_t i = 0; i < n; i++) {
        size_t r = (size_t)lround(2 * ranks[i]);
        for (size_t k = i + 1 < m ? i + 1 : m; k > 0; k--)
            for (size_t s = r; s <= most; s++)
                ways[k * width + s] += ways[(k - 1) * width + s - r];
    }
    double below = 0, above = 0, all = 0;
    for (size_t s = 0; s <= most; s++) {
        double here = ways[m * width + s];
        all += here;
        below += s <= at ? here : 0;
        above += s >= at ? here : 0;
    }
    free(ways);
    set_p(test, above / all, below / all);
    return true;
}

/* ---- two sets -------------------------------------------------------------------------------- */

static double round_digits(double x, int digits)
{
    char text[48];
    if (digits <= 0 || digits > 17)
        return x;
    snprintf(text, sizeof text, "%.*e", digits - 1, x);
    return strtod(text, NULL);
}

/* z and p of `sum`, which has this mean and variance. */
static void approximate(struct cn_rank_test *test, double sum, double mean, double variance,
                        bool continuity)
{
    const double distance = sum - mean, half = continuity ? 0.5 : 0, sd = sqrt(variance);
    test->z = 0;
    if (!(variance > 0)) {
        set_p(test, 1, 1);
        return;
    }
    test->z = copysign(fmax(0, fabs(distance) - half), distance) / sd;
    set_p(test, cn_normal_above((distance - half) / sd), cn_normal_above(-(distance + half) / sd));
}

static bool signed_ranks(const double *difference, size_t n, const struct cn_rank_options *o,
                         double *size, double *ranks, struct cn_rank_test *test)
{
    size_t used = 0, kept = 0;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        if (difference[i] != 0 || o->pratt)
            size[used++] = fabs(difference[i]);
    if (!cn_ranks(size, used, ranks, NULL))
        return false;
    test->w_plus = test->w_minus = 0;
    for (size_t i = 0, k = 0; i < n; i++) {
        if (difference[i] == 0) {
            test->n_zero++;
            k += o->pratt;
            continue;
        }
        double r = ranks[k++];
        *(difference[i] > 0 ? &test->w_plus : &test->w_minus) += r;
        mean += 0.5 * r;
        variance += 0.25 * r * r; /* ties are in the ranks already */
        ranks[kept++] = r;        /* those of zeros go */
    }
    if (kept == 0) {
        set_p(test, 1, 1);
        test->effect = 0;
        return true;
    }
    test->effect = (test->w_plus - test->w_minus) / (test->w_plus + test->w_minus);
    test->exact = o->method == CN_RANK_AUTO ? kept <= AUTO_PAIRS
                                            : o->method == CN_RANK_EXACT && kept <= MOST_PAIRS;
    if (test->exact)
        return exact_signs(ranks, kept, test->w_plus, test);
    approximate(test, test->w_plus, mean, variance, o->continuity);
    return true;
}

static struct cn_rank_test undefined(size_t n_a, size_t n_b)
{
    const double none = (double)NAN;
    return (struct cn_rank_test){ .n_a = n_a,
                                  .n_b = n_b,
                                  .w_plus = none,
                                  .w_minus = none,
                                  .z = none,
                                  .p = none,
                                  .p_above = none,
                                  .p_below = none,
                                  .effect = none };
}

bool cn_wilcoxon(const double *a, const double *b, size_t n, const struct cn_rank_options *options,
                 struct cn_rank_test *test)
{
    *test = undefined(n, n);
    if (n == 0)
        return true;
    double *difference = malloc(3 * n * sizeof *difference);
    if (!difference)
        return false;
    for (size_t i = 0; i < n; i++)
        difference[i] = round_digits(b[i] - a[i], options->digits);
    bool ok = signed_ranks(difference, n, options, difference + n, difference + 2 * n, test);
    free(difference);
    return ok;
}

bool cn_mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b,
                     const struct cn_rank_options *o, struct cn_rank_test *test)
{
    const size_t n = n_a + n_b, fewer = n_a < n_b ? n_a : n_b;
    *test = undefined(n_a, n_b);
    if (fewer == 0)
        return true;
    double *all = malloc(2 * n * sizeof *all), ties;
    if (!all)
        return false;
    double *ranks = all + n;
    memcpy(all, a, n_a * sizeof *a);
    memcpy(all + n_a, b, n_b * sizeof *b);
    bool ok = cn_ranks(all, n, ranks, &ties);
    double sum = 0, product = (double)n_a * (double)n_b, size = (double)n;
    for (size_t i = n_a; ok && i < n; i++)
        sum += ranks[i];
    test->w_plus = sum - 0.5 * (double)n_b * (double)(n_b + 1);
    test->w_minus = product - test->w_plus;
    test->effect = (test->w_plus - test->w_minus) / product;
    test->exact = o->method == CN_RANK_AUTO ? fewer <= AUTO_SMALLER && n <= AUTO_BOTH
                                            : o->method == CN_RANK_EXACT && n <= MOST_BOTH;
    if (ok && test->exact)
        ok = exact_choice(ranks, n, n_b, sum, test);
    else if (ok)
        approximate(test, test->w_plus, 0.5 * product,
                    product / 12 * (size + 1 - ties / (size * (size - 1))), o->continuity);
    free(all);
    return ok;
}

/* ---- several sets ---------------------------------------------------------------------------- */

bool cn_friedman(const double *x, size_t n_blocks, size_t n_groups, double *mean_ranks,
                 struct cn_friedman *test)
{
    const double none = (double)NAN, n = (double)n_blocks, k = (double)n_groups;
    *test = (struct cn_friedman){ n_blocks, n_groups, none, none, none };
    for (size_t g = 0; g < n_groups; g++)
        mean_ranks[g] = n_blocks ? 0 : none;
    double *ranks = malloc((n_groups + 1) * sizeof *ranks), tied = 0, squares = 0;
    bool ok = ranks;
    for (size_t b = 0; ok && b < n_blocks; b++) {
        double ties = 0;
        ok = cn_ranks(x + b * n_groups, n_groups, ranks, &ties);
        for (size_t g = 0; ok && g < n_groups; g++)
            mean_ranks[g] += ranks[g] / n;
        tied += ties;
    }
    free(ranks);
    if (!ok || n_blocks < 2 || n_groups < 2)
        return ok;
    for (size_t g = 0; g < n_groups; g++)
        squares += (mean_ranks[g] - 0.5 * (k + 1)) * (mean_ranks[g] - 0.5 * (k + 1));
    double spread = 1 - tied / (n * k * (k * k - 1));
    test->chi2 = spread > 0 ? 12 * n / (k * (k + 1)) * squares / spread : 0;
    test->p = cn_chi2_above(test->chi2, k - 1);
    test->kendall_w = test->chi2 / (n * (k - 1));
    return true;
}

bool cn_friedman_pairs(const double *x, size_t n_blocks, size_t n_groups,
                       const struct cn_rank_options *options, struct cn_rank_test *tests,
                       double *p_holm)
{
    double *a = malloc((2 * n_blocks + 1) * sizeof *a);
    size_t pair = 0;
    bool ok = true;
    if (!a)
        return false;
    double *b = a + n_blocks;
    for (size_t g = 0; g < n_groups; g++)
        for (size_t h = g + 1; ok && h < n_groups; h++, pair++) {
            for (size_t i = 0; i < n_blocks; i++) {
                a[i] = x[i * n_groups + g];
                b[i] = x[i * n_groups + h];
            }
            ok = cn_wilcoxon(a, b, n_blocks, options, &tests[pair]);
            p_holm[pair] = tests[pair].p;
        }
    free(a);
    return ok && cn_holm(p_holm, pair);
}
