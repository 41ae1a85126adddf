/* SPDX-License-Identifier: MIT
 *
 * Inputs and streams beside the residual one: inputs of each layer by token, AltUp's streams
 * (arXiv 2301.13310), LAuReL's side branch (arXiv 2411.07501). Each does nothing for models without
 * it.
 */
#ifndef CN_STREAMS_H
#define CN_STREAMS_H

#include "base/layout.h"
#include "engine/run/session.h"

void cn_streams_carve(struct cn_group *g, struct cn_layout *c);

/* After the embedding of n tokens is in g->x: inputs of the layers, and the other streams. */
void cn_streams_begin(struct cn_group *g, int64_t n);
/* Before a layer: g->x becomes the prediction of the active stream. */
void cn_streams_predict(struct cn_group *g, int64_t layer, int64_t n);
/* With the layer's normed input in g->h: its side branch; and, once the mixed tokens are added to
 * g->x, the branch too. */
void cn_laurel_begin(struct cn_group *g, int64_t layer, int64_t n);
void cn_laurel_add(struct cn_group *g, int64_t layer, int64_t n);
/* After a layer, whose result is in g->x: all streams are corrected by it, the layer's own input is
 * added, the output scaled. */
void cn_streams_correct(struct cn_group *g, int64_t layer, int64_t n);
/* After the last layer: g->x is what all streams make together. */
void cn_streams_end(struct cn_group *g, int64_t n);

#endif
