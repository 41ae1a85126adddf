/* SPDX-License-Identifier: MIT */
#include "bench/stats/equivalence.h"

#include "bench/stats/distributions.h"

#include <math.h>

static const struct cn_tost undefined = {
    .margin_lo = (double)NAN,
    .margin_hi = (double)NAN,
    .estimate = (double)NAN,
    .lo = (double)NAN,
    .hi = (double)NAN,
    .df = (double)NAN,
    .p_lo = (double)NAN,
    .p_hi = (double)NAN,
    .p = (double)NAN,
    .p_different = (double)NAN,
};

/* P(T > t) where t = distance / error; without spread only the sign of the distance is left. */
static double above(double distance, double error, double df)
{
    if (error > 0)
        return cn_student_above(distance / error, df);
    return distance > 0 ? 0 : 1;
}

/* From the estimate on the scale of the test (logarithms, for a ratio) and its standard error. */
static void decide(double estimate, double error, double df, double margin, struct cn_tost *t)
{
    const bool ratio = t->scale == CN_SCALE_RATIO;
    const double m = ratio ? log1p(margin) : margin;
    const double reach = error > 0 ? error * cn_student_quantile(0.95, df) : 0;
    t->margin_lo = ratio ? exp(-m) : -m;
    t->margin_hi = ratio ? exp(m) : m;
    t->estimate = ratio ? exp(estimate) : estimate;
    t->lo = ratio ? exp(estimate - reach) : estimate - reach;
    t->hi = ratio ? exp(estimate + reach) : estimate + reach;
    t->df = df;
    t->p_lo = above(estimate + m, error, df);
    t->p_hi = above(m - estimate, error, df);
    t->p = fmax(t->p_lo, t->p_hi);
    t->p_different = fmin(1, 2 * above(fabs(estimate), error, df));
}

static double value(double x, enum cn_scale scale)
{
    return scale == CN_SCALE_RATIO ? log(x) : x;
}

static bool usable(const double *x, size_t n, enum cn_scale scale)
{
    for (size_t i = 0; i < n; i++)
        if (scale == CN_SCALE_RATIO && !(x[i] > 0))
            return false;
    return n >= 2;
}

/* x[i], or y[i] - x[i] where there is a y. */
static double at(const double *x, const double *y, size_t i, enum cn_scale scale)
{
    return y ? value(y[i], scale) - value(x[i], scale) : value(x[i], scale);
}

/* Mean and variance of x[n], or of y - x where there is a y. They are counted from the first of the
 * values, so that equal values have exactly their own mean and no variance, whatever their number:
 * sets that say the same are level, and not 2e-14% apart. */
static void moments(const double *x, const double *y, size_t n, enum cn_scale scale, double *mean,
                    double *variance)
{
    const double first = at(x, y, 0, scale);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += at(x, y, i, scale) - first;
    *mean = first + sum / (double)n;
    *variance = 0;
    for (size_t i = 0; i < n; i++) {
        double d = at(x, y, i, scale) - *mean;
        *variance += d * d / (double)(n - 1);
    }
}

void cn_tost_paired(const double *a, const double *b, size_t n, enum cn_scale scale, double margin,
                    struct cn_tost *test)
{
    *test = undefined;
    test->scale = scale;
    if (!usable(a, n, scale) || !usable(b, n, scale))
        return;
    double mean, variance;
    moments(a, b, n, scale, &mean, &variance);
    decide(mean, sqrt(variance / (double)n), (double)(n - 1), margin, test);
}

void cn_tost_unpaired(const double *a, size_t n_a, const double *b, size_t n_b, enum cn_scale scale,
                      double margin, struct cn_tost *test)
{
    *test = undefined;
    test->scale = scale;
    if (!usable(a, n_a, scale) || !usable(b, n_b, scale))
        return;
    double mean_a, mean_b, s_a, s_b;
    moments(a, NULL, n_a, scale, &mean_a, &s_a);
    moments(b, NULL, n_b, scale, &mean_b, &s_b);
    s_a /= (double)n_a;
    s_b /= (double)n_b;
    double df = (double)(n_a + n_b - 2);
    if (s_a + s_b > 0)
        df = (s_a + s_b) * (s_a + s_b) /
             (s_a * s_a / (double)(n_a - 1) + s_b * s_b / (double)(n_b - 1));
    decide(mean_b - mean_a, sqrt(s_a + s_b), df, margin, test);
}
