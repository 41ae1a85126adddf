/* SPDX-License-Identifier: MIT
 *
 * Perplexity by the field's protocol, and Kullback-Leibler divergence against a base model.
 *
 * The token stream is cut into chunks of n_ctx; each is evaluated from an empty cache, its first
 * token replaced by BOS if the model adds one; the second half of a chunk is scored.
 */
#ifndef CN_PPL_H
#define CN_PPL_H

#include "engine/carnot.h"

#include <stdio.h>

struct cn_perplexity_options {
    int32_t n_ctx;    /* 0: 512; at least 8 */
    int32_t n_chunks; /* 0: all there are */
    int32_t n_threads;
    enum cn_kv_type kv;
    bool fast;
    FILE *save_base;       /* the logits of this run, for later ones; NULL: not kept */
    FILE *base;            /* such a file of another run on the same tokens; NULL: none */
    const char *base_name; /* for messages */
    /* Called after each chunk with the perplexity so far; true ends the run. May be NULL. */
    bool (*progress)(void *user, int32_t done, int32_t total, double ppl);
    void *user;
};

struct cn_perplexity {
    int64_t n_tokens; /* scored */
    int32_t n_chunks;
    double ppl, ppl_se;
    /* With a base; otherwise NaN. Divergences in nats. */
    double base_ppl, kld_mean, kld_se, kld_median, kld_p90, kld_p99, kld_max;
    double top1_agreement, top1_se;
    double delta_p_rms; /* of the right token's probability */
};

/* tokens[n]: the whole text. At least 2 * n_ctx tokens. */
enum cn_status cn_perplexity_run(const struct cn_model *model, const int32_t *tokens, size_t n,
                                 const struct cn_perplexity_options *options,
                                 struct cn_perplexity *result, struct cn_error *err);

#endif
