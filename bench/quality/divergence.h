/* SPDX-License-Identifier: MIT
 *
 * How far a changed model is from what it was, on a text that is given or that it wrote itself
 * before: mean Kullback-Leibler divergence of the next token's distribution. Made for many small
 * changes, each measured in one pass over the text: what bench/quality/quality.h does once and for
 * whole files.
 */
#ifndef CN_DIVERGENCE_H
#define CN_DIVERGENCE_H

#include "engine/carnot.h"

struct cn_divergence; /* the text and the base's log-probabilities on it, in memory */

struct cn_divergence_options {
    int32_t n_tokens;  /* of text, at least 8; fewer are taken where the vocabulary is very large */
    int32_t n_threads; /* 0: every core */
    const int32_t *given; /* [n_given] the text, all of the vocabulary; NULL: the base writes one */
    size_t n_given;       /* fewer than n_tokens: so many are taken; at least 8 */
    void *user;
    /* Called while the text is written; may be NULL. */
    void (*progress)(void *user, double done, double total);
    bool (*cancel)(void *user); /* true ends any call with CN_ERR_CANCELLED; may be NULL */
};

/* Takes the text or lets `base` write one (a fixed seed), and keeps its distributions on it. The
 * caller frees it. What a model writes drifts away from what people write, and all changes look
 * larger there, by a quarter or a third; a little below temperature 1 it drifts less. */
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
