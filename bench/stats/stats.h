/* SPDX-License-Identifier: MIT
 *
 * Statistics of few, noisy numbers: what one set of them says. Tests between sets are in
 * rank_tests.h and equivalence.h.
 *
 * Everywhere in these headers: values are finite; a result that the data cannot give (too few
 * values, no spread) is NaN, which tables show as null; "false" means out of memory and nothing
 * else.
 */
#ifndef CN_STATS_H
#define CN_STATS_H

#include <stdbool.h>
#include <stddef.h>

/* x[n] in any order, n >= 1; x is sorted. */
double cn_median(double *x, size_t n);

/* The value at fraction 0..1 of sorted x[n], interpolated linearly (Hyndman and Fan's type 7, the
 * one of NumPy and R). */
double cn_quantile(const double *sorted, size_t n, double fraction);

/* 95% interval of the median of x[n] by the percentile bootstrap (Efron 1979; 2000 resamples, fixed
 * seed). n == 1: both are NaN. x is sorted. */
void cn_median_interval(double *x, size_t n, double *lo, double *hi);

struct cn_summary {
    size_t n;
    double median, lo, hi;     /* its 95% interval, as above */
    double q1, q3;             /* quartiles; q3 - q1 is the IQR */
    double mean, sd, min, max; /* sd: of a sample, n - 1 */
};

/* x[n], n may be 0; x is sorted. */
void cn_summarise(double *x, size_t n, struct cn_summary *summary);

/* Shapiro and Wilk's W and its p (Royston 1995, algorithm AS R94): are x[n] from a normal
 * distribution? Small p: no. NaN both unless 3 <= n <= 5000 and the values differ. */
bool cn_shapiro(const double *x, size_t n, double *w, double *p);

/* Which of the points [n, n_axes] no other point beats: is at least as good on every axis and
 * better on one. higher[n_axes]: more is better on this axis. A point with a NaN is not on the
 * front and beats none. on_front[n] is filled. */
void cn_pareto(const double *points, size_t n, size_t n_axes, const bool *higher, bool *on_front);

#endif
