/* SPDX-License-Identifier: MIT
 *
 * Two programs measured in turns, round after round, until it is known which is the faster: the
 * interval of their ratio, and what it says of a margin. Whoever looks again and again, at many
 * rows at once, finds something in the end; these intervals are as wide as that takes.
 *
 * Of each round there is the logarithm of a ratio. Their mean without the fifth at either end
 * (Yuen 1974) is the estimate, so that a round in which the machine had other things to do does not
 * decide; its interval is Student's. CN_SEQUENTIAL_ALPHA, the chance that any interval of any row
 * at any look misses the truth, is shared out evenly among the rows (Bonferroni), and a look j of a
 * row gets 1 / (j (j + 1)) of its share, which adds up to all of it.
 */
#ifndef CN_SEQUENTIAL_H
#define CN_SEQUENTIAL_H

#include <stdbool.h>
#include <stddef.h>

#define CN_SEQUENTIAL_ALPHA 0.01

enum { CN_SEQUENTIAL_LEAST = 6 /* rounds */ };

enum cn_sequential_verdict {
    CN_SEQUENTIAL_UNDECIDED,
    CN_SEQUENTIAL_EQUIVALENT, /* the interval is within the margin */
    CN_SEQUENTIAL_FASTER,     /* it is beyond the margin: above, */
    CN_SEQUENTIAL_SLOWER,     /* below */
};

/* "undecided", "equivalent", "faster", "slower". */
const char *cn_sequential_name(enum cn_sequential_verdict verdict);

struct cn_sequential {
    size_t n;             /* rounds */
    double ratio, lo, hi; /* NaN: too few rounds for it */
    enum cn_sequential_verdict verdict;
};

/* How many rounds the next look is due after, when the last was after n; 0: none was yet. */
size_t cn_sequential_next(size_t n);

/* What logs[n], logarithms of ratios, say at this look. n_rows >= 1 are judged beside each other;
 * margin > 0: of the ratio, 0.05 for 1 / 1.05 to 1.05. False if out of memory. */
bool cn_sequential_judge(const double *logs, size_t n, size_t n_rows, double margin,
                         struct cn_sequential *result);

#endif
