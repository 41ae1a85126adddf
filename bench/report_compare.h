/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report.h: one configuration against another, run by run of the same block.
 */
#ifndef CN_REPORT_COMPARE_H
#define CN_REPORT_COMPARE_H

#include "bench/equivalence.h"
#include "bench/rank_tests.h"
#include "bench/report_part.h"

enum {
    CN_COMPARE_MIN = 6, /* pairs; with fewer no p of the exact test is below 0.05 */
};

/* Differences below this are not worth naming: the margin of equivalence. */
#define CN_COMPARE_MARGIN 0.05
/* K and IQ count as of equal bits if theirs differ by less. */
#define CN_COMPARE_BITS 0.15

enum cn_verdict {
    CN_VERDICT_TOO_FEW,
    CN_VERDICT_LOWER,  /* b < a, by Wilcoxon's test after Holm's correction */
    CN_VERDICT_HIGHER, /* b > a */
    CN_VERDICT_SAME,   /* within the margin, by TOST */
    CN_VERDICT_OPEN    /* neither */
};

struct cn_comparison {
    int file_a, file_b, setting;
    struct cn_metric metric;
    size_t n;                     /* pairs */
    struct cn_rank_test wilcoxon; /* of the logarithms */
    double p;                     /* of that, after Holm's correction over the list */
    struct cn_tost tost;          /* of the ratio b / a */
    enum cn_verdict verdict;
    bool small; /* different, but within the margin all the same */
};

/* The file of the same model that file `iq` (of an IQ type) is to be held against: of a K type, if
 * there is one with the same digit in its name, else the one with the nearest bits. -1: none is
 * near enough. */
int cn_compare_partner(const struct cn_report *r, int iq);

/* All comparisons of K (a) and IQ (b) in a metric, in every setting. The caller frees the list.
 * False if out of memory. */
bool cn_compare_k_iq(const struct cn_report *r, struct cn_metric m, struct cn_comparison **list,
                     int *n);

/* Fills n, wilcoxon, tost of one comparison from a[n], b[n], all > 0. */
bool cn_compare_pairs(const double *a, const double *b, size_t n, struct cn_comparison *c);
/* Corrects p over the list and judges. */
bool cn_compare_judge(struct cn_comparison *list, int n);

const char *cn_verdict_name(enum cn_verdict v);

#endif
