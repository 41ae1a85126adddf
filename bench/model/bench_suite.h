/* SPDX-License-Identifier: MIT
 *
 * Tests of models, one after the other: prefill and decode of several lengths, at several depths,
 * with several counts of threads, each beside the machine's limits measured in the same run.
 */
#ifndef CN_BENCH_SUITE_H
#define CN_BENCH_SUITE_H

#include "bench/machine/machine_probe.h"
#include "bench/model/explain.h"
#include "bench/model/model_bench.h"
#include "bench/model/op_watts.h"
#include "bench/model/speculation_bench.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

enum {
    CN_BENCH_LIST = 32,
    CN_BENCH_SMALL = 64 << 20, /* models of fewer bytes stay in the CPU's caches */
};

struct cn_int_list {
    int32_t values[CN_BENCH_LIST];
    int n;
};

/* What is asked of each test. */
enum cn_bench_kind {
    CN_BENCH_SPEED,   /* speed, beside the machine's limits */
    CN_BENCH_EXPLAIN, /* the times of all parts, and what bounds them */
    CN_BENCH_SPLIT,   /* the times of all parts alone; the machine is not measured */
    CN_BENCH_WATTS,   /* watts of each op kind; the machine is not measured */
};

struct cn_bench_suite_options {
    const char *const *models; /* [n_models] files */
    size_t n_models;
    const char *tiers;                  /* as in cn_model_options */
    const char *base;                   /* model whose divergence from each is measured too */
    struct cn_int_list prefill, decode; /* tokens of the tests; 0: none */
    struct cn_int_list depth, threads;  /* threads >= 1 */
    struct cn_int_list lanes;           /* sequences that are decoded together, each 1 or more */
    int32_t n_reps;                     /* >= 1; of CN_BENCH_WATTS >= 2 */
    int32_t n_batch;                    /* 0: 512 */
    enum cn_bench_kind kind;
    enum cn_kv_type kv;
    bool fast, sleep;
    const struct cn_speculation_options *drafts; /* decode is measured with and without; NULL: the
                                                  * latter only */
    const char *text; /* [n_text] that drafts go on from; NULL: a sentence */
    size_t n_text;
    struct cn_profiler *profiler; /* started */
    /* Told after each test how many are done. May be NULL. */
    void (*progress)(void *user, double done, double total);
    bool (*cancel)(void *user); /* true ends it with CN_ERR_CANCELLED; may be NULL */
    void *user;
};

/* A test of a model, done. */
struct cn_bench_row {
    struct cn_model_info info; /* its strings died with the model; copies: */
    char model[512], architecture[64], file_type[32], tiers[64];
    int32_t threads, n_tokens, depth, lanes;
    bool decode;
    struct cn_bench_result result; /* but of CN_BENCH_WATTS */
    char draft[512];               /* what drafts the row's tokens: a file, "lookup:3"; "": none */
    struct cn_speculation speculation; /* where there is a draft */
    double
        same; /* of a decode with drafts: share of its text that is that without; NaN elsewhere */
    double kld_mean, kld_p99, top1; /* NaN without a base */
    double huge_pages;              /* share of the weights in them; NaN if unknown */
    struct cn_spans spans;          /* of CN_BENCH_SPLIT and CN_BENCH_EXPLAIN */
    struct cn_explain *explain;     /* of CN_BENCH_EXPLAIN */
    struct cn_machine_rates limits; /* of CN_BENCH_EXPLAIN: means over the repetitions */
    struct cn_op_mix *mix;          /* of CN_BENCH_WATTS; solved once the profiler was stopped */
};

/* Runs all tests, with an idle second before and after where there is a meter. *rows[*n] are those
 * that were finished, after a failure too; the caller frees them with cn_bench_rows_free. */
enum cn_status cn_bench_suite_run(const struct cn_bench_suite_options *options,
                                  struct cn_bench_row **rows, size_t *n, struct cn_error *err);
void cn_bench_rows_free(struct cn_bench_row *rows, size_t n);

#endif
