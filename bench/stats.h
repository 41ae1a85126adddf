/* SPDX-License-Identifier: MIT
 *
 * Statistics of few, noisy numbers.
 */
#ifndef CN_STATS_H
#define CN_STATS_H

#include <stddef.h>

/* x[n] in any order, n >= 1; x is sorted. */
double cn_median(double *x, size_t n);

/* The value at fraction 0..1 of sorted x[n], interpolated linearly. */
double cn_quantile(const double *sorted, size_t n, double fraction);

/* 95% interval of the median of x[n] by the percentile bootstrap (Efron 1979; 2000 resamples, fixed
 * seed). n == 1: both are NaN. x is sorted. */
void cn_median_interval(double *x, size_t n, double *lo, double *hi);

#endif
