/* SPDX-License-Identifier: MIT
 *
 * Two or more sets of results held against each other, metric by metric: medians, a rank test, its
 * effect size, the equivalence test, and what they say together in a sentence.
 */
#ifndef CN_COMPARISON_H
#define CN_COMPARISON_H

#include "bench/stats/dataset.h"
#include "bench/stats/equivalence.h"
#include "bench/stats/rank_tests.h"
#include "bench/stats/stats.h"

/* Lists are names of columns with commas in between. NULL: found by what the columns are called
 * and hold. */
struct cn_compare_options {
    const char *by;      /* which column tells the sets apart: "quant", "quant=Q4_K_M,IQ4_XS" */
    const char *metrics; /* what is compared */
    const char *pair;    /* what rows of one pair have in common; "none": no pairs */
    const char *per;     /* each combination of these is compared on its own */
    double margin;       /* of equivalence; 0.05: 5% of the ratio */
    struct cn_rank_options rank;
};

/* One metric of two sets. */
struct cn_comparison {
    const char *metric, *per; /* per: the combination, "" without one */
    const char *a, *b;        /* the sets */
    bool paired;
    bool same_values;             /* both sets hold the same values, in any order */
    struct cn_summary of_a, of_b; /* of the values that the tests had */
    struct cn_rank_test test;
    double p_holm;   /* corrected for all the comparisons made with this one */
    size_t n_tests;  /* how many that were */
    double p_normal; /* Shapiro and Wilk's test of what the equivalence test takes as normal: small
                        p says to trust the rank test more. NaN without pairs */
    struct cn_tost tost;
    double tost_p_ranks; /* the same question asked of ranks, which outliers do not move: the larger
                            p of two one-sided tests against the margins */
    double lo_a, hi_a, lo_b, hi_b; /* of a single value: the interval that the results give with it
                                      (x_lo and x_hi of x_median), or NaN */
};

/* More than two sets with pairs: one metric of all of them. */
struct cn_ordering {
    const char *metric, *per;
    struct cn_friedman friedman;
    double *mean_ranks; /* [n_levels] */
};

struct cn_comparisons {
    struct cn_comparison *items; /* [n] */
    size_t n;
    struct cn_ordering *orderings; /* [n_orderings] */
    size_t n_orderings;
    size_t n_levels;
    char **levels;         /* [n_levels] names of the sets */
    char by[128];          /* the columns that tell them apart */
    char pairing[512];     /* what makes a pair; "" without pairs */
    char apart[512];       /* other columns in which no two sets have a value in common */
    char left_out[512];    /* numbers that were not compared, as nobody asked */
    char constant[512];    /* numbers that say the same in every row, and so compare nothing */
    char warnings[4][256]; /* what spoils the comparison; "" where there are fewer */
    void *owned;
};

/* dataset must live as long as the result. CN_ERR_ARGUMENT: what the options name is not there, or
 * rows cannot be paired in the way they ask. The caller frees it. */
enum cn_status cn_compare(const struct cn_dataset *dataset,
                          const struct cn_compare_options *options,
                          struct cn_comparisons **comparisons, struct cn_error *err);
void cn_comparisons_free(struct cn_comparisons *comparisons);

/* Whether b / a is within 1 / (1 + margin) to 1 + margin, or, where a value is not above 0, b - a
 * within that share of a's median: fills c->tost, c->tost_p_ranks and c->p_normal. c says if x and
 * y are pairs and, in of_a and of_b, how many values each has (x[of_a.n], y[of_b.n]; they are
 * spoiled) and the median. False if out of memory. */
bool cn_comparison_equivalence(struct cn_comparison *c, double *x, double *y, double margin,
                               const struct cn_rank_options *rank);

/* The comparison in one plain sentence. */
void cn_comparison_verdict(const struct cn_comparison *c, char *text, size_t n);

#endif
