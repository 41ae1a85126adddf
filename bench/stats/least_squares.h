/* SPDX-License-Identifier: MIT
 *
 * Linear least squares of a few unknowns, with what is known of the solution's error.
 */
#ifndef CN_LEAST_SQUARES_H
#define CN_LEAST_SQUARES_H

#include <stdbool.h>
#include <stddef.h>

enum { CN_LS_MOST = 16 };

struct cn_least_squares {
    size_t n, k;
    double beta[CN_LS_MOST];
    double cov[CN_LS_MOST][CN_LS_MOST]; /* of beta, as `scale` has it */
    double scale; /* factor on the sigmas: what the residuals say, and no less than 1 if sigma is
                   * given as a fact */
    double t95;   /* Student's t for 95% at n - k degrees of freedom */
};

/* y = x beta, x [n, k] row-major, sigma [n] > 0 the standard deviations of y; relative: only their
 * proportions are known. By Householder's QR of the scaled columns (Golub 1965), which for so few
 * unknowns does all that LAPACK would. False, with a sentence in *why, if n <= k, k > CN_LS_MOST,
 * a column depends on the others (to 1e-9), or memory is short. */
bool cn_least_squares(const double *x, const double *y, const double *sigma, bool relative,
                      size_t n, size_t k, struct cn_least_squares *fit, const char **why);

/* The value at a row [k]; *se: its standard error. */
double cn_least_squares_at(const struct cn_least_squares *fit, const double *row, double *se);

#endif
