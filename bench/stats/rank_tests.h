/* SPDX-License-Identifier: MIT
 *
 * Tests between sets of measurements that use ranks only, so that outliers and skew do no harm:
 * Wilcoxon's signed-rank test (pairs), Mann and Whitney's (two sets without pairs), Friedman's with
 * Holm's correction (several sets, the same blocks).
 */
#ifndef CN_RANK_TESTS_H
#define CN_RANK_TESTS_H

#include <stdbool.h>
#include <stddef.h>

enum cn_rank_method {
    CN_RANK_AUTO,  /* exact up to 50 pairs, or 25 values in the smaller and 50 in both sets */
    CN_RANK_EXACT, /* counts every arrangement of the ranks found, ties included */
    CN_RANK_NORMAL /* normal approximation, its variance corrected for ties */
};

/* All zero: as SciPy and R do, zeros dropped, ties only where differences are equal to the bit. */
struct cn_rank_options {
    enum cn_rank_method method;
    bool continuity; /* of the normal approximation: half a rank towards the middle */
    bool pratt;      /* zeros take part in the ranking (Pratt 1959) instead of being dropped */
    int digits;      /* > 0: differences are rounded to so many significant digits first, so that
                        0.45 - 0.30 and 0.25 - 0.10 are tied although their bits differ */
};

struct cn_rank_test {
    size_t n_a, n_b; /* of pairs: both the number of pairs */
    size_t n_zero;   /* pairs without a difference */
    double w_plus;   /* rank sum of b > a; without pairs U, the count of b > a, ties half */
    double w_minus;  /* the same of b < a */
    double z;        /* NaN if exact */
    double p;        /* two-sided; 1 if there is no difference at all; NaN if n_a or n_b is 0 */
    double p_above;  /* one-sided: small says that b is above a */
    double p_below;  /* the same of below */
    double effect;   /* -1..1, > 0 where b is larger: matched-pairs rank-biserial correlation
                        (Kerby 2014) or, without pairs, Cliff's delta (1993) */
    bool exact;
};

/* a[n] and b[n] in pairs (Wilcoxon 1945); works on b - a. */
bool cn_wilcoxon(const double *a, const double *b, size_t n, const struct cn_rank_options *options,
                 struct cn_rank_test *test);

/* Without pairs (Mann and Whitney 1947). pratt is ignored. */
bool cn_mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b,
                     const struct cn_rank_options *options, struct cn_rank_test *test);

struct cn_friedman {
    size_t n_blocks, n_groups;
    double chi2, p;   /* corrected for ties; chi-squared distribution with n_groups - 1 */
    double kendall_w; /* 0..1: how far the blocks agree on the order */
};

/* x[n_blocks, n_groups] (Friedman 1937). mean_ranks[n_groups] is filled, 1 being the lowest. */
bool cn_friedman(const double *x, size_t n_blocks, size_t n_groups, double *mean_ranks,
                 struct cn_friedman *test);

/* After it: Wilcoxon's test of each pair of groups (0,1), (0,2), ..., (1,2), ... into
 * tests[n_groups * (n_groups - 1) / 2] and their p corrected by cn_holm into p_holm[the same]. */
bool cn_friedman_pairs(const double *x, size_t n_blocks, size_t n_groups,
                       const struct cn_rank_options *options, struct cn_rank_test *tests,
                       double *p_holm);

/* Holm's (1979) correction for having made n tests: p[n] is replaced; NaN stays and does not count.
 */
bool cn_holm(double *p, size_t n);

/* Ranks of x[n] from 1, equal values sharing their mean, into ranks[n]. *ties (may be NULL): the
 * sum of t^3 - t over groups of t equal values. */
bool cn_ranks(const double *x, size_t n, double *ranks, double *ties);

#endif
