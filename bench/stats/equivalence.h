/* SPDX-License-Identifier: MIT
 *
 * "No difference worth naming" is a claim that needs a test of its own; a large p elsewhere does
 * not prove it. This is the test: two one-sided t-tests (TOST; Schuirmann 1987) against a margin.
 */
#ifndef CN_EQUIVALENCE_H
#define CN_EQUIVALENCE_H

#include <stdbool.h>
#include <stddef.h>

enum cn_scale {
    CN_SCALE_RATIO,     /* b / a, by logarithms: needs values > 0 */
    CN_SCALE_DIFFERENCE /* b - a */
};

struct cn_tost {
    enum cn_scale scale;
    double margin_lo, margin_hi; /* of the ratio: 1 / (1 + margin), 1 + margin; else -+margin */
    double estimate;    /* geometric mean of the ratio (of means without pairs); else mean */
    double lo, hi;      /* its 90% interval: within the margin exactly if p < 0.05 */
    double df;          /* degrees of freedom; Welch's without pairs */
    double p_lo, p_hi;  /* that the estimate is above margin_lo, below margin_hi: one-sided */
    double p;           /* the larger of the two: small says equivalent. NaN: cannot be told */
    double p_different; /* two-sided t-test of the same estimate against no difference */
};

/* a[n], b[n] in pairs; margin > 0, of the ratio 0.05 for 5%. Without spread the interval is a point
 * and p is 0 or 1. All NaN if n < 2, or a value is not > 0 on the scale of ratios. */
void cn_tost_paired(const double *a, const double *b, size_t n, enum cn_scale scale, double margin,
                    struct cn_tost *test);

/* Without pairs (Welch 1947); n_a, n_b >= 2. */
void cn_tost_unpaired(const double *a, size_t n_a, const double *b, size_t n_b, enum cn_scale scale,
                      double margin, struct cn_tost *test);

#endif
