/* SPDX-License-Identifier: MIT
 *
 * Lines through points: how a metric follows another (joules from bits per weight), whether a
 * straight line is the right picture, and where it breaks.
 */
#ifndef CN_FIT_H
#define CN_FIT_H

#include <stdbool.h>
#include <stddef.h>

struct cn_line {
    size_t n;
    double slope, intercept;   /* least squares: y = intercept + slope x */
    double slope_lo, slope_hi; /* 95% interval, Student's t */
    double p;                  /* that the slope is not 0, two-sided */
    double r2;                 /* share of the variance explained */
    double residual_sd;        /* n - 2 degrees of freedom */
    /* The residual check. Small p says that a straight line is not the whole story: */
    double p_curved;     /* t-test of a quadratic term added; NaN if n < 4 or < 3 different x */
    double p_not_normal; /* Shapiro and Wilk's test of the residuals */
};

/* x[n], y[n]; all NaN if n < 3 or all x are equal. */
bool cn_line_fit(const double *x, const double *y, size_t n, struct cn_line *line);

struct cn_break {
    size_t n;
    double at, lo, hi;     /* where it breaks, with the 95% interval (profile likelihood, F) */
    bool open_lo, open_hi; /* the interval ends where the search does: it may go on beyond */
    double value;          /* y there */
    double slope_before, slope_after;
    double r2, residual_sd; /* n - 4 degrees of freedom */
    double p; /* F-test against one line, 2 more parameters. The break point was searched for, so it
                 is too optimistic near 0.05: ask for 0.01 */
};

/* Two lines that meet (Hudson 1966: the exact least squares over every place of the break). There
 * are at least 2 different x on each side, the break point included. All NaN if n < 5 or fewer than
 * 4 x differ. */
bool cn_break_fit(const double *x, const double *y, size_t n, struct cn_break *fit);

#endif
