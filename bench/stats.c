/* SPDX-License-Identifier: MIT */
#include "bench/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { RESAMPLES = 2000, MOST = 256 };

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

void cn_median_interval(double *x, size_t n, double *lo, double *hi)
{
    *lo = *hi = (double)NAN;
    if (n < 2 || n > MOST)
        return;
    double medians[RESAMPLES], draw[MOST];
    uint64_t state = 1;
    qsort(x, n, sizeof *x, ascending);
    for (int r = 0; r < RESAMPLES; r++) {
        for (size_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
            draw[i] = x[(state >> 33) % n];
        }
        medians[r] = cn_median(draw, n);
    }
    qsort(medians, RESAMPLES, sizeof *medians, ascending);
    *lo = cn_quantile(medians, RESAMPLES, 0.025);
    *hi = cn_quantile(medians, RESAMPLES, 0.975);
}
