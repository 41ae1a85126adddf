/* SPDX-License-Identifier: MIT
 *
 * How likely a model finds a token: for scores, whose sums take every logit.
 */
#ifndef CN_LOG_PROB_H
#define CN_LOG_PROB_H

#include "engine/carnot.h"

/* The natural logarithm of the probability of `token` (0 <= token < n_vocab) by logits[n_vocab] of
 * the model, with its kernels. Not finite if the logits are not, or if the token's is impossible.
 */
double cn_log_prob(const struct cn_model *model, const float *logits, int32_t token);

#endif
