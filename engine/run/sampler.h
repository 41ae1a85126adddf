/* SPDX-License-Identifier: MIT
 *
 * Inside of the sampler, for those who draw with it from more than one model's logits: what it
 * could choose and how likely, apart from the choice.
 */
#ifndef CN_SAMPLER_H
#define CN_SAMPLER_H

#include "engine/carnot.h"

/* Most tokens that cn_sampler_forget can take back. */
enum { CN_SAMPLER_SPARE = 64 };

struct cn_candidate {
    float logit;
    int32_t token;
    double weight; /* what it is drawn in proportion to */
};

/* What one draw is from: candidates [n] that belong to the sampler and stay until its next call,
 * n >= 1, and the sum of their weights, which is above 0. */
struct cn_candidates {
    struct cn_candidate *items;
    int64_t n;
    double sum;
};

/* The candidates by logits [n_logits], after all that the sampler's options do. n_logits may be
 * less than the vocabulary: tokens behind are then impossible. Greedy: one. Remembers nothing. */
struct cn_candidates cn_sampler_candidates(struct cn_sampler *sampler, const float *logits,
                                           int64_t n_logits);
/* Draws one of them, with the sampler's random numbers; does not remember it. */
int32_t cn_sampler_draw(struct cn_sampler *sampler, const struct cn_candidates *candidates);
/* The next of those numbers: [0, 1). */
double cn_sampler_uniform(struct cn_sampler *sampler);
/* Takes the last n tokens that were accepted or sampled back, n <= CN_SAMPLER_SPARE, as if they had
 * not been: the repeat penalty sees what it saw before them. */
void cn_sampler_forget(struct cn_sampler *sampler, int32_t n);

#endif
