/* SPDX-License-Identifier: MIT
 *
 * Decode with and without speculation, side by side: the same text, greedily, in turns.
 */
#ifndef CN_SPECULATION_BENCH_H
#define CN_SPECULATION_BENCH_H

#include "bench/model/model_bench.h"
#include "bench/model/speculation.h"

struct cn_speculation_test {
    const struct cn_bench_options *bench; /* of a decode; its depth is not looked at */
    struct cn_speculation_options drafts; /* its session, tiers and profiler are not */
    const char *tiers;                    /* of the draft */
    const char *text; /* [n_text] what is to be gone on from; NULL: a sentence */
    size_t n_text;
};

struct cn_speculation_bench {
    struct cn_bench_result plain, drafted; /* of both the phases of the profiler are all: plain ones
                                            * are "decode", the others "draft" and "verify" */
    struct cn_speculation told;            /* of the timed repetitions */
    int32_t n_prompt;
    double same; /* share of the tokens that were the same before the texts parted, 0 to 1 */
};

/* One warm-up, then n_reps repetitions of both, each of them first in turns. */
enum cn_status cn_speculation_bench_run(const struct cn_model *model,
                                        const struct cn_speculation_test *test,
                                        struct cn_speculation_bench *result, struct cn_error *err);

#endif
