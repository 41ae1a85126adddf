/* SPDX-License-Identifier: MIT
 *
 * Inside of bench/report/report.h: one configuration against another, run by run of the same block.
 */
#ifndef CN_REPORT_COMPARE_H
#define CN_REPORT_COMPARE_H

#include "bench/report/report_part.h"
#include "bench/stats/comparison.h"

enum {
    CN_COMPARE_MIN = 6, /* pairs; with fewer no p of the exact test is below 0.05 */
};

/* The margin of equivalence: a difference below it is not worth naming. */
#define CN_COMPARE_MARGIN 0.05
/* A K and an IQ type count as of equal bits if their bits per weight differ by less than this
 * share. */
#define CN_COMPARE_BITS 0.15

enum cn_verdict {
    CN_VERDICT_TOO_FEW,
    CN_VERDICT_LOWER,  /* b < a, by Wilcoxon's test after Holm's correction */
    CN_VERDICT_HIGHER, /* b > a */
    CN_VERDICT_SAME,   /* within the margin, by TOST */
    CN_VERDICT_OPEN    /* neither */
};

/* The K type (a) and the IQ type (b) of a model in a setting. */
struct cn_k_iq {
    int file_a, file_b, setting;
    struct cn_metric metric;
    struct cn_comparison c;
    struct cn_comparison quiet; /* of the pairs in which no run was disturbed */
    enum cn_verdict verdict;
};

/* The file of the same model that file `iq` (of an IQ type) is to be held against: of a K type, if
 * there is one with the same digit in its name, else the one with the nearest bits. -1: none is
 * near enough. */
int cn_compare_partner(const struct cn_report *r, int iq);

/* All comparisons of K and IQ in a metric, in every setting, judged. The caller frees the list.
 * False if out of memory. */
bool cn_compare_k_iq(const struct cn_report *r, struct cn_metric m, struct cn_k_iq **list, int *n);

/* What c says, once its p_holm is set. */
enum cn_verdict cn_compare_judge(const struct cn_comparison *c);

/* Fills c from pairs a[n], b[n], which are spoiled; those that are not > 0 are left out. */
bool cn_compare_pairs(double *a, double *b, size_t n, struct cn_comparison *c);

const char *cn_verdict_name(enum cn_verdict v);

#endif
