/* SPDX-License-Identifier: MIT */
#include "bench/stats/stats.h"

#include "base/rng.h"
#include "bench/stats/distributions.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double cn_quantile(const double *sorted, size_t n, double fraction)
{
    double at = fraction * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

double cn_median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending);
    return cn_quantile(x, n, 0.5);
}

/* The median of sorted x[n] when value i is there times[i] times, n values in all: no need to sort
 * a resample. */
static double median_of_counts(const double *x, size_t n, const uint32_t *times)
{
    size_t seen = 0, i = 0;
    for (; seen + times[i] <= (n - 1) / 2; i++)
        seen += times[i];
    double low = x[i];
    for (; seen + times[i] <= n / 2; i++)
        seen += times[i];
    return low + 0.5 * (x[i] - low);
}

void cn_median_interval(double *x, size_t n, double *lo, double *hi)
{
    *lo = *hi = (double)NAN;
    if (n < 2 || n > UINT32_MAX)
        return;
    double medians[RESAMPLES];
    uint32_t *times = malloc(n * sizeof *times);
    if (!times)
        return;
    uint64_t state = 1;
    qsort(x, n, sizeof *x, ascending);
    for (int r = 0; r < RESAMPLES; r++) {
        memset(times, 0, n * sizeof *times);
        for (size_t i = 0; i < n; i++) {
            times[cn_lcg_next(&state) % n]++;
        }
        medians[r] = median_of_counts(x, n, times);
    }
    free(times);
    qsort(medians, RESAMPLES, sizeof *medians, ascending);
    *lo = cn_quantile(medians, RESAMPLES, 0.025);
    *hi = cn_quantile(medians, RESAMPLES, 0.975);
}

void cn_summarise(double *x, size_t n, struct cn_summary *s)
{
    const double none = (double)NAN;
    *s = (struct cn_summary){ n, none, none, none, none, none, none, none, none, none };
    if (n == 0)
        return;
    cn_median_interval(x, n, &s->lo, &s->hi);
    s->median = cn_median(x, n);
    s->q1 = cn_quantile(x, n, 0.25);
    s->q3 = cn_quantile(x, n, 0.75);
    s->min = x[0];
    s->max = x[n - 1];
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    s->mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - s->mean) * (x[i] - s->mean);
    if (n > 1)
        s->sd = sqrt(squares / (double)(n - 1));
}

/* ---- Shapiro and Wilk ------------------------------------------------------------------------ */

/* c[0] + c[1] x + c[2] x^2 + ... */
static double polynomial(const double *c, int n, double x)
{
    double sum = 0;
    for (int i = n - 1; i >= 0; i--)
        sum = sum * x + c[i];
    return sum;
}

/* The weights of the upper half of n sorted values, the largest first. Those of the lower half
 * are the same with the other sign. */
static void shapiro_weights(size_t n, double *a)
{
    static const double c1[] = { 0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056 };
    static const double c2[] = { 0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633 };
    if (n == 3) {
        a[0] = sqrt(0.5);
        return;
    }
    const size_t half = n / 2;
    double squares = 0;
    for (size_t i = 0; i < half; i++) { /* Blom's expected normal scores */
        a[i] = -cn_normal_quantile(((double)i + 0.625) / ((double)n + 0.25));
        squares += 2 * a[i] * a[i];
    }
    const double root = sqrt(squares), inverse = 1 / sqrt((double)n);
    const double m0 = a[0], m1 = a[1];
    double rest = squares - 2 * m0 * m0, share = 1;
    size_t fixed = 1;
    a[0] = polynomial(c1, 6, inverse) + m0 / root;
    share -= 2 * a[0] * a[0];
    if (n > 5) {
        a[1] = polynomial(c2, 6, inverse) + m1 / root;
        rest -= 2 * m1 * m1;
        share -= 2 * a[1] * a[1];
        fixed = 2;
    }
    for (size_t i = fixed; i < half; i++)
        a[i] /= sqrt(rest / share);
}

static double shapiro_p(double w, size_t n)
{
    static const double c3[] = { 0.544, -0.39978, 0.025054, -6.714e-4 };
    static const double c4[] = { 1.3822, -0.77857, 0.062767, -0.0020322 };
    static const double c5[] = { -1.5861, -0.31082, -0.083751, 0.0038915 };
    static const double c6[] = { -0.4803, -0.082676, 0.0030302 };
    double y = log(1 - w), size = (double)n;
    if (n == 3) {
        double p = 6 / acos(-1) * (asin(sqrt(w)) - asin(sqrt(0.75)));
        return p < 0 ? 0 : p;
    }
    if (n <= 11) {
        double gamma = -2.273 + 0.459 * size;
        if (y >= gamma)
            return 0;
        return cn_normal_above((-log(gamma - y) - polynomial(c3, 4, size)) /
                               exp(polynomial(c4, 4, size)));
    }
    size = log(size);
    return cn_normal_above((y - polynomial(c5, 4, size)) / exp(polynomial(c6, 3, size)));
}

bool cn_shapiro(const double *x, size_t n, double *w, double *p)
{
    *w = *p = (double)NAN;
    if (n < 3 || n > 5000)
        return true;
    double *sorted = malloc((n + n / 2) * sizeof *sorted);
    if (!sorted)
        return false;
    double *a = sorted + n;
    double mean = 0, squares = 0, dot = 0, weights = 0;
    memcpy(sorted, x, n * sizeof *x);
    qsort(sorted, n, sizeof *sorted, ascending);
    for (size_t i = 0; i < n; i++)
        mean += sorted[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (sorted[i] - mean) * (sorted[i] - mean);
    if (sorted[0] < sorted[n - 1] && squares > 0) {
        shapiro_weights(n, a);
        for (size_t i = 0; i < n / 2; i++) {
            dot += a[i] * (sorted[n - 1 - i] - sorted[i]);
            weights += 2 * a[i] * a[i];
        }
        *w = fmin(1, dot * dot / (squares * weights));
        *p = shapiro_p(*w, n);
    }
    free(sorted);
    return true;
}

/* ---- Pareto ---------------------------------------------------------------------------------- */

static bool beats(const double *a, const double *b, size_t n_axes, const bool *higher)
{
    bool better = false;
    for (size_t i = 0; i < n_axes; i++) {
        double gain = higher[i] ? a[i] - b[i] : b[i] - a[i];
        if (!(gain >= 0))
            return false;
        better |= gain > 0;
    }
    return better;
}

void cn_pareto(const double *points, size_t n, size_t n_axes, const bool *higher, bool *on_front)
{
    for (size_t i = 0; i < n; i++) {
        const double *point = points + i * n_axes;
        on_front[i] = true;
        for (size_t k = 0; k < n_axes; k++)
            on_front[i] &= !isnan(point[k]);
        for (size_t j = 0; j < n && on_front[i]; j++)
            on_front[i] = !beats(points + j * n_axes, point, n_axes, higher);
    }
}
