/* SPDX-License-Identifier: MIT
 *
 * Everything comes from erfc and two continued fractions: the incomplete gamma and beta functions
 * (Abramowitz and Stegun 6.5 and 26.5), evaluated by Lentz's method (1976).
 */
#include "bench/stats/distributions.h"

#include <float.h>
#include <math.h>

enum { MOST_TERMS = 10000 };

double cn_normal_above(double z)
{
    return 0.5 * erfc(z / sqrt(2));
}

double cn_normal_quantile(double p)
{
    double tail = p < 0.5 ? p : 1 - p;
    /* Abramowitz and Stegun 26.2.23 is right to 4.5e-4; two steps of Halley's method do the rest.
     */
    double t = sqrt(-2 * log(tail));
    double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 2; i++) {
        double step = (cn_normal_above(z) - tail) / (exp(-0.5 * z * z) / sqrt(2 * acos(-1)));
        z += step / (1 - 0.5 * z * step);
    }
    return p < 0.5 ? -z : z;
}

/* Lentz's method: f = b0 + a1 / (b1 + a2 / (b2 + ...)), term by term. */
struct fraction {
    double f, c, d;
};

static struct fraction fraction_begin(double b0)
{
    double f = b0 == 0 ? DBL_MIN : b0;
    return (struct fraction){ f, f, 0 };
}

/* False once the value does not change any more. */
static int fraction_step(struct fraction *x, double a, double b)
{
    x->d = b + a * x->d;
    x->d = 1 / (x->d == 0 ? DBL_MIN : x->d);
    x->c = b + a / x->c;
    if (x->c == 0)
        x->c = DBL_MIN;
    x->f *= x->c * x->d;
    return fabs(x->c * x->d - 1) > DBL_EPSILON;
}

/* The regularised incomplete beta function I_x(a, b); y is 1 - x. */
static double beta_part(double a, double b, double x, double y)
{
    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    if (x > (a + 1) / (a + b + 2)) /* where the fraction converges slowly */
        return 1 - beta_part(b, a, y, x);
    struct fraction f = fraction_begin(1);
    int go_on = fraction_step(&f, -(a + b) * x / (a + 1), 1);
    for (int m = 1; m < MOST_TERMS && go_on; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        fraction_step(&f, even, 1);
        go_on = fraction_step(&f, odd, 1);
    }
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y)) / (a * f.f);
}

double cn_student_above(double t, double df)
{
    double sum = df + t * t;
    if (isinf(sum))
        return t > 0 ? 0 : 1;
    double tail = 0.5 * beta_part(0.5 * df, 0.5, df / sum, t * t / sum);
    return t > 0 ? tail : 1 - tail;
}

double cn_f_above(double x, double df1, double df2)
{
    double sum = df2 + df1 * x;
    return isinf(sum) ? 0 : beta_part(0.5 * df2, 0.5 * df1, df2 / sum, df1 * x / sum);
}

double cn_chi2_above(double x, double df)
{
    double a = 0.5 * df;
    x *= 0.5;
    if (x <= 0 || isinf(x))
        return x <= 0 ? 1 : 0;
    double front = exp(a * log(x) - x - lgamma(a));
    if (x < a + 1) { /* the series of the lower part */
        double term = 1 / a, sum = term;
        for (int n = 1; n < MOST_TERMS && term > sum * DBL_EPSILON; n++)
            sum += term *= x / (a + n);
        return 1 - front * sum;
    }
    struct fraction f = fraction_begin(x + 1 - a);
    for (int n = 1; n < MOST_TERMS; n++)
        if (!fraction_step(&f, n * (a - n), x + 1 - a + 2 * n))
            break;
    return front / f.f;
}

/* The x >= 0 where `above`, which falls, is `tail`. */
static double invert(double (*above)(double x, double df1, double df2), double tail, double df1,
                     double df2)
{
    double lo = 0, hi = 1;
    while (above(hi, df1, df2) > tail && hi < DBL_MAX / 2)
        hi *= 2;
    for (int i = 0; i < 200 && hi - lo > DBL_EPSILON * hi; i++) {
        double middle = 0.5 * (lo + hi);
        if (above(middle, df1, df2) > tail)
            lo = middle;
        else
            hi = middle;
    }
    return 0.5 * (lo + hi);
}

static double student_above(double t, double df, double unused)
{
    (void)unused;
    return cn_student_above(t, df);
}

double cn_student_quantile(double p, double df)
{
    return p < 0.5 ? -invert(student_above, p, df, 0) : invert(student_above, 1 - p, df, 0);
}

double cn_f_quantile(double p, double df1, double df2)
{
    return invert(cn_f_above, 1 - p, df1, df2);
}
