/* SPDX-License-Identifier: MIT
 *
 * Distributions that tests take their p from. Tails keep their relative precision (about 1e-12):
 * 1e-40 is 1e-40, not 0.
 */
#ifndef CN_DISTRIBUTIONS_H
#define CN_DISTRIBUTIONS_H

/* P(Z > z) of the standard normal distribution. */
double cn_normal_above(double z);
/* The z with P(Z < z) = p, 0 < p < 1. */
double cn_normal_quantile(double p);

/* P(T > t) of Student's distribution with df > 0 degrees of freedom. */
double cn_student_above(double t, double df);
/* The t with P(T < t) = p, 0 < p < 1. */
double cn_student_quantile(double p, double df);

/* P(X > x) of chi-squared and of F; x >= 0, df > 0. */
double cn_chi2_above(double x, double df);
double cn_f_above(double x, double df1, double df2);
/* The x with P(F < x) = p, 0 < p < 1. */
double cn_f_quantile(double p, double df1, double df2);

#endif
