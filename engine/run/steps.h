/* SPDX-License-Identifier: MIT
 *
 * Small steps that are done token by token, by the forward pass and by the mixers.
 */
#ifndef CN_STEPS_H
#define CN_STEPS_H

#include "engine/run/session.h"

/* x[n] += b; b may be NULL. */
void cn_add(int64_t n, const float *b, float *x);

/* LayerNorm: (x - mean) / sqrt(var + eps) * w + b (arXiv 1607.06450). b may be NULL, y may be x. */
void cn_layer_norm(int64_t n, const float *x, const float *w, const float *b, float eps, float *y);

/* y[n] = the model's activation of gate, times up (NULL: 1). y may be gate. */
void cn_activate(const struct cn_model *m, int64_t n, const float *gate, const float *up, float *y);

/* Rotary positions (arXiv 2104.09864) of token number `token` of this pass on the first n_rot
 * components of n_heads heads, which are stride floats apart; nothing where the layer has none. */
void cn_rotate(const struct cn_group *g, const struct cn_layer_hparams *hp, int64_t token,
               int64_t n_heads, int64_t stride, float *x);

/* The factor of a query at a position: the scale of scores, growing where the model says so. */
float cn_query_scale(const struct cn_model *m, const struct cn_layer_hparams *hp, int64_t position);

/* Frequencies and magnitudes of the session's rotations; once. */
void cn_rope_setup(struct cn_group *g);
/* Sines and cosines of the positions of a pass of n tokens, shared by all layers. */
void cn_rope_tables(struct cn_group *g, int64_t n);

#endif
