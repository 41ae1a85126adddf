/* SPDX-License-Identifier: MIT
 *
 * Inside of carnot bench: what its files share.
 */
#ifndef CN_CLI_BENCH_H
#define CN_CLI_BENCH_H

#include "cli/cli.h"

#include "base/table.h"
#include "bench/machine/machine_probe.h"
#include "bench/model/explain.h"
#include "bench/model/model_bench.h"
#include "bench/model/op_watts.h"
#include "bench/quality/quality.h"

enum {
    CN_BENCH_LIST = 32,
    CN_BENCH_SMALL = 64 << 20, /* models of fewer bytes stay in the CPU's caches */
};

struct cn_int_list {
    int32_t values[CN_BENCH_LIST];
    int n;
};

struct cn_bench_arguments {
    struct cn_string_list models;
    const char *prefill, *decode, *depth, *threads, *kv, *precision, *tiers, *meter, *root, *kld,
        *save, *split, *attribute;
    int64_t reps, batch;
    bool sleep, force_meter, watch_cost, explain;
    enum cn_table_format format;
};

/* A test of a model, done. */
struct cn_bench_row {
    struct cn_model_info info; /* strings copied below */
    char model[512], architecture[64], file_type[32], tiers[64];
    int32_t threads, n_tokens, depth;
    bool decode;
    struct cn_bench_result result;
    double kld_mean, kld_p99, top1;
    double huge_pages;              /* share of the weights in them; NaN if unknown */
    struct cn_spans spans;          /* with --split */
    struct cn_explain *explain;     /* with --explain */
    struct cn_machine_rates limits; /* with --explain */
    struct cn_op_mix *mix;          /* with --attribute */
};

struct cn_bench {
    const struct cn_bench_arguments *a;
    struct cn_int_list prefill, decode, depth, threads;
    enum cn_kv_type kv;
    bool fast;
    struct cn_profiler *profiler;
    struct cn_quality *quality;
    struct cn_table *table;
    int n_unresolved;       /* rows of the table whose joules the meter could not tell, */
    const char *unresolved; /* and why, of the first */
    struct cn_bench_row *rows;
    size_t n_rows;
    double steps_done, steps;
    /* limits of the test under way */
    struct cn_machine_probe *probe;
    uint32_t tiers;
    int32_t probe_threads;
    bool probe_read;
    struct cn_machine_rates limits; /* means of n_limits measurements, with --explain */
    int n_limits;
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

/* --watch-cost: measures and prints. Returns the exit code. */
int cn_bench_watch_cost(struct cn_bench *b, const char *const *models, size_t n_models);

/* A model's name as a table shows it. */
const char *cn_bench_model_name(const struct cn_bench *b, const char *path);

#endif
