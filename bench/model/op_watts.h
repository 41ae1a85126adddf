/* SPDX-License-Identifier: MIT
 *
 * Watts of each op kind, by experiment. In a forward pass the ops always come in the same
 * proportions, so no number of repetitions of it can tell their powers apart. Here the mix is
 * changed by design: in each repetition one op kind is done many times where it is done once
 * otherwise, so that it takes three quarters of the time, and the mixes take turns in random order.
 * The joules of the repetitions are then a linear function of the seconds spent in each op kind,
 * with the watts as the unknowns, and least squares give these with an interval.
 *
 * What is found is the power of the whole boundary while the op runs: its static part too.
 */
#ifndef CN_OP_WATTS_H
#define CN_OP_WATTS_H

#include "bench/model/model_bench.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_op_mix; /* the repetitions */

struct cn_op_mix_options {
    int32_t n_rounds; /* each holds every mix once; 2 or more */
    double seconds;   /* of a repetition, at least */
    /* Told of spans beside the recorder; may be NULL. */
    void (*told)(void *user, enum cn_op op, bool begin, int64_t t_ns);
};

/* Measures prefill or decode as `bench` says (its reps and limit are not used), which must have a
 * started profiler. Solved once the profiler was stopped. The caller frees it. */
enum cn_status cn_op_mix_run(const struct cn_model *model, const struct cn_bench_options *bench,
                             const struct cn_op_mix_options *options, struct cn_op_mix **mix,
                             struct cn_error *err);
void cn_op_mix_free(struct cn_op_mix *mix); /* NULL is allowed */

struct cn_op_watts {
    const char *ops; /* "ffn_up"; "rest" for what is outside the spans and for op kinds that take
                      * less than 1/100 of the time */
    double share;    /* of the time of an ordinary pass */
    double ms;       /* of it per token */
    double watts, lo, hi; /* the interval: 95% that all of them hold at once; NaN without joules */
    double j_per_token;   /* of an ordinary pass: watts x seconds */
};

struct cn_op_watts_result {
    struct cn_op_watts ops[CN_N_OPS + 1];
    int n_ops, n_mixes;
    int64_t n_reps; /* that had joules */
    enum cn_energy_status status;
    const char *reason; /* why there are no watts; NULL if there are. Lives as long as mix and
                         * profiler */
};

void cn_op_mix_solve(const struct cn_op_mix *mix, const struct cn_profiler *profiler,
                     struct cn_op_watts_result *result);

#endif
