/* SPDX-License-Identifier: MIT
 *
 * How far a changed model is from what it was, on text that it wrote itself before: mean
 * Kullback-Leibler divergence of the next token's distribution. Made for many small changes, each
 * measured in one pass over the text: what bench/quality/quality.h does once and for whole files.
 */
#ifndef CN_DIVERGENCE_H
#define CN_DIVERGENCE_H

#include "engine/carnot.h"

struct cn_divergence; /* the text and the base's log-probabilities on it, in memory */

struct cn_divergence_options {
    int32_t n_tokens;  /* of text, at least 8; fewer are taken where the vocabulary is very large */
    int32_t n_threads; /* 0: every core */
    void *user;
    /* Called while the text is written; may be NULL. */
    void (*progress)(void *user, double done, double total);
    bool (*cancel)(void *user); /* true ends any call with CN_ERR_CANCELLED; may be NULL */
};

/* Lets `base` write text (a fixed seed) and keeps its distributions. The caller frees it. It writes
 * a little below temperature 1: at 1 it drifts into text that it finds more surprising than what
 * people wrote, and all changes look larger than there. */
enum cn_status cn_divergence_create(const struct cn_model *base,
                                    const struct cn_divergence_options *options,
                                    struct cn_divergence **divergence, struct cn_error *err);
void cn_divergence_free(struct cn_divergence *divergence);

/* Mean of KL(base || model), in nats, over the text's first n_tokens, rounded to whole pieces of it
 * and at least one; of each piece the first quarter is only read. The vocabularies must be the
 * same. A model whose logits are not finite fails.
 */
enum cn_status cn_divergence_measure(const struct cn_divergence *divergence,
                                     const struct cn_model *model, int32_t n_tokens, double *kld,
                                     struct cn_error *err);

#endif
