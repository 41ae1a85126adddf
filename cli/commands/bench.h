/* SPDX-License-Identifier: MIT
 *
 * Inside of carnot bench: what its files share.
 */
#ifndef CN_CLI_BENCH_H
#define CN_CLI_BENCH_H

#include "cli/cli.h"
#include "cli/drafts.h"

#include "base/table.h"
#include "bench/model/bench_suite.h"

struct cn_bench_arguments {
    struct cn_string_list models, external;
    const char *prefill, *decode, *depth, *threads, *lanes, *kv, *precision, *tiers, *meter, *root,
        *kld, *save, *split, *attribute, *against, *text;
    struct cn_draft_arguments drafts;
    int64_t reps, batch, seed; /* reps 0: not given */
    double margin, seconds;    /* of --against and --external */
    bool samples, sleep, force_meter, watch_cost, explain;
    enum cn_table_format format;
};

struct cn_bench {
    const struct cn_bench_arguments *a;
    struct cn_bench_suite_options suite; /* what they ask for */
    struct cn_bench_row *rows;
    size_t n_rows;
    struct cn_table *table;
    int n_unresolved;       /* rows of the table whose joules the meter could not tell, */
    const char *unresolved; /* and why, of the first */
};

/* Tables of b->rows, after the profiler was stopped. NULL if memory is short. */
struct cn_table *cn_bench_table(struct cn_bench *b);         /* one row a test */
struct cn_table *cn_bench_split_table(struct cn_bench *b);   /* one row an op, a layer, a format */
struct cn_table *cn_bench_watts_table(struct cn_bench *b);   /* one row an op */
struct cn_table *cn_bench_explain_table(struct cn_bench *b); /* one row an op and its formats */

/* What the tables' blanks and shares mean, below Markdown. */
void cn_bench_notes(const struct cn_bench *b);
void cn_bench_split_notes(const struct cn_bench *b);
void cn_bench_explain_notes(const struct cn_bench *b);

/* --watch-cost: has it measured, and prints. Returns the exit code. */
int cn_bench_watch_cost(struct cn_bench *b);

/* --against and --external: has them measured, and prints. threads: what -t says or would. Returns
 * the exit code. */
int cn_bench_against(const struct cn_bench_arguments *a, const char *threads);

/* A model's name as a table shows it. */
const char *cn_bench_model_name(const struct cn_bench *b, const char *path);

#endif
