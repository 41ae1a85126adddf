/* SPDX-License-Identifier: MIT
 *
 * Why a pass through the model takes the time it takes: each op with each format beside its own
 * bound, the time that its bytes or its operations need at the machine's limits.
 */
#ifndef CN_EXPLAIN_H
#define CN_EXPLAIN_H

#include "bench/machine/machine_probe.h"
#include "bench/model/model_bench.h"

enum cn_bottleneck {
    CN_MEMORY,     /* at CN_NEAR of the read bandwidth or above it: more needs fewer bytes */
    CN_ARITHMETIC, /* at CN_NEAR of the rate of operations or above it: more needs fewer of them */
    CN_KERNEL,     /* below both: instructions that unpack or rearrange, waiting, uneven shares */
    CN_OVERHEAD,   /* no matrices: norms, element-wise steps, sampling, handing out work */
};
#define CN_NEAR 0.7
const char *cn_bottleneck_name(enum cn_bottleneck bottleneck);

struct cn_explain_part {
    const char *op;
    char formats[64];         /* of its matrices: "q4_k q6_k"; "" without */
    double ms, share;         /* per token; of the time of the pass */
    double bytes, ops;        /* per token: read; multiplications and additions */
    double gbps, gops;        /* as they were done */
    double memory_ms, ops_ms; /* per token, at the limits; 0 for parts without matrices */
    double reached;           /* the larger of the two by ms; 0 for parts without matrices */
    double gain;              /* share of the pass that would be saved at the bound */
    enum cn_bottleneck bottleneck;
};

struct cn_explain {
    struct cn_explain_part parts[64]; /* longest first; the last of many are summed up */
    int n;
    double ms;                  /* per token */
    enum cn_bottleneck overall; /* of the parts with most time together */
    double share;               /* that time, of the pass */
};

/* Of a test that ran with spans. ns: of its timed repetitions, which handled n_tokens tokens; `o`
 * is what it ran with, `limits` what the machine can do with as many threads. */
void cn_explain(const struct cn_model *model, const struct cn_bench_options *o,
                const struct cn_spans *spans, int64_t ns, int64_t n_tokens,
                const struct cn_machine_rates *limits, struct cn_explain *e);

/* The finding in a sentence or two. */
void cn_explain_text(const struct cn_explain *e, char *text, size_t n_bytes);

#endif
