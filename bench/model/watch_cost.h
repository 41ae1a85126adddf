/* SPDX-License-Identifier: MIT
 *
 * What watching costs: decode with the profiler and without, in turns.
 */
#ifndef CN_WATCH_COST_H
#define CN_WATCH_COST_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_watch_cost_options {
    int32_t n_threads;
    int32_t n_pairs;              /* 1 to 256 */
    double seconds;               /* of each half of a pair, at least */
    struct cn_profiler *profiler; /* not started; each token is a phase of it */
    bool (*cancel)(void *user);   /* may be NULL */
    void *user;
};

struct cn_watch_cost {
    double tps_off, tps_on; /* medians, tokens per second */
    /* Share of the throughput that watching takes: the median over pairs and its 95% interval. May
     * be negative: other programs and clocks change more than that. */
    double cost, lo, hi;
    int32_t n_tokens; /* of each half */
};

enum cn_status cn_watch_cost_measure(const struct cn_model *model,
                                     const struct cn_watch_cost_options *options,
                                     struct cn_watch_cost *cost, struct cn_error *err);

#endif
