/* SPDX-License-Identifier: MIT
 *
 * What passes through a model take, told beforehand, for those who measure models: bytes,
 * operations and formats of each op of each layer.
 */
#ifndef CN_OP_WORK_H
#define CN_OP_WORK_H

#include "engine/carnot.h"

/* Adds what the op of a layer (0 <= layer < n_layer; -1: outside the layers) does with its matrices
 * and the layer's state in a pass of n_tokens (>= 1) from `position` on; see cn_model_pass_work.
 * Nothing is added for ops without any. */
void cn_model_op_work(const struct cn_model *model, enum cn_op op, int layer, int32_t position,
                      int32_t n_tokens, struct cn_work *work);

/* One pass of n_tokens (>= 1) at position 0, logits of the last one wanted: what cn_session_work
 * will count, but for the KV cache. Of a mixture, tokens are taken to choose their
 * experts at random. */
void cn_model_pass_work(const struct cn_model *model, int32_t n_tokens, struct cn_work *work);

/* Names of the formats of the op's matrices, each once, into text[n_bytes] (n_bytes >= 1), which
 * cuts them short: "q4_k q6_k"; "" without matrices. */
void cn_model_op_formats(const struct cn_model *model, enum cn_op op, int layer, char *text,
                         size_t n_bytes);

/* Whether products of quantised weights in a pass of n_tokens are of bf16 rather than of 8-bit
 * integers: the tier's way of precision exact. fast: see cn_session_options. */
bool cn_model_multiplies_bf16(const struct cn_model *model, int32_t n_tokens, bool fast);

/* The attention of a layer over n_tokens (>= 1) tokens from `position` on. */
struct cn_attention_span {
    enum cn_kv_type kv; /* of the cache */
    int32_t position, n_tokens;
    bool together; /* in one pass, which reads each key and value once; else one by one */
};

/* What it does, per token and in the mean: bytes of keys and values that are read, and operations,
 * which are of floats. */
void cn_model_attention_work(const struct cn_model *model, int layer,
                             const struct cn_attention_span *span, double *bytes, double *ops);

#endif
