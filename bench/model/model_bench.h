/* SPDX-License-Identifier: MIT
 *
 * Model speed and energy: prefill and decode of a model at a depth, repeated, against the machine's
 * limits measured in the same run.
 */
#ifndef CN_MODEL_BENCH_H
#define CN_MODEL_BENCH_H

#include "bench/model/spans.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_bench_options {
    int32_t n_threads;
    int32_t n_reps;
    int32_t depth;    /* tokens in the cache beforehand */
    int32_t n_batch;  /* 0: 512 */
    int32_t n_tokens; /* of the test */
    bool decode;      /* n_tokens one by one; else in one go */
    int32_t n_lanes;  /* sequences that are decoded together, n_tokens of each; 0: 1 */
    enum cn_kv_type kv;
    bool fast, sleep;
    struct cn_profiler *profiler; /* started; NULL: none */
    struct cn_spans *spans;       /* gets the times of the timed repetitions; NULL: nobody does */
    /* The machine's limit now (bytes or operations per second), asked before, between and after the
     * repetitions, because machines drift. May be NULL. */
    double (*limit)(void *user);
    bool (*cancel)(void *user); /* true ends the test with CN_ERR_CANCELLED; may be NULL */
    void *user;
};

struct cn_bench_result {
    double tps_median, tps_lo, tps_hi; /* tokens of all lanes per second; the interval is of the
                                        * median, 95% */
    double limit;                      /* median of what `limit` said; NaN without it */
    double per_limit; /* tokens per second by the limit: the median over repetitions of each one's
                       * speed by the mean of the limits before and after it */
    size_t first_phase, n_phases;  /* the timed repetitions in the profiler */
    int64_t total_tokens, busy_ns; /* of all timed repetitions and lanes */
};

/* n tokens below n_vocab, drawn with a fixed seed: no product depends on their values. The caller
 * frees them; NULL if memory is short. */
int32_t *cn_bench_tokens(int32_t n, int32_t n_vocab);

/* A session as a test is to have it, with a context of n_ctx tokens. */
struct cn_session_options cn_bench_session(const struct cn_bench_options *options, int32_t n_ctx);

/* One warm-up, then n_reps repetitions. */
enum cn_status cn_model_bench(const struct cn_model *model, const struct cn_bench_options *options,
                              struct cn_bench_result *result, struct cn_error *err);

#endif
