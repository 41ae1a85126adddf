/* SPDX-License-Identifier: MIT
 *
 * Published figures checked against the runs they were made of, and against each other.
 */
#ifndef CN_PUBLISHED_H
#define CN_PUBLISHED_H

#include "bench/stats/dataset.h"

struct cn_published_options {
    const char *by;   /* columns of the runs whose values make a published row: "model,quant". There
                         they are columns too, or one text such as model-quant */
    const char *same; /* "column of the runs=published column,...", beside those of equal name */
    const char *products; /* "joules=j_per_token*output_tokens,...", in columns of the runs: has to
                             hold in each run and in each published row. NULL: none */
};

/* A published figure and what it should be. */
struct cn_published_figure {
    const char *group;      /* "Qwen2-0.5B Q4_K_M" */
    const char *column;     /* published */
    const char *what;       /* median, mean, IQR, SD: of the runs; product: of published figures */
    const char *of;         /* the column of the runs; the formula */
    size_t n;               /* runs */
    double value, expected; /* published, found */
    bool agree;             /* as far as the published digits tell */
};

struct cn_published {
    struct cn_published_figure *items; /* [n] */
    size_t n, n_wrong;
    size_t n_groups, n_missing;          /* groups of runs with a published row, and without */
    size_t n_products, n_products_wrong; /* formulas checked in runs */
    size_t first_wrong;                  /* run (row from 1) of the first of these */
    void *owned;
};

/* A published cell is a number, maybe with its spread behind: "43.95 (IQR 2.37)", "43.95 (SD 1.2)".
 * Whether a column is of medians or of means is what most of its cells agree with. Both datasets
 * must live as long as the result. The caller frees it. */
enum cn_status cn_published_check(const struct cn_dataset *runs, const struct cn_dataset *published,
                                  const struct cn_published_options *options,
                                  struct cn_published **result, struct cn_error *err);
void cn_published_free(struct cn_published *result);

#endif
